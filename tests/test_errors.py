"""The tree of errors: as its docstring draws it, small, and able to cross a process border."""

from __future__ import annotations

import pickle
import re

import pytest

from constitutional import errors
from constitutional.errors import ConstitutionalError, ModelError, RateLimitedError, TransientError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ConstitutionalError)]


def test_the_docstring_draws_the_whole_tree_and_it_is_small() -> None:
    drawn = re.findall(r"^    (?:[│ ]*[├└]── )?(\w+)", errors.__doc__ or "", re.MULTILINE)
    assert drawn == [kind.__name__ for kind in CLASSES]
    assert len(CLASSES) <= 15


@pytest.mark.parametrize("kind", CLASSES)
def test_each_is_a_stdlib_error_too_and_survives_pickling(kind: type[ConstitutionalError]) -> None:
    back = pickle.loads(pickle.dumps(kind("what, where, what to do")))
    assert (type(back), str(back)) == (kind, "what, where, what to do")
    stdlib = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert kind is ConstitutionalError or stdlib[0] is not Exception


def test_what_a_model_error_carries_survives_pickling() -> None:
    made = (ModelError("x", "odd"), RateLimitedError("x", 2.5), TransientError("x", "overloaded", 1.0))
    for error in made:
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)
