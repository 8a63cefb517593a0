"""For those who write plugins: a conformance kit, and what a test of a plugin needs.

    import my_judge
    from constitutional.testing import Subject

    @pytest.mark.conformance(Subject("judge", "my-judge", my_judge))
    def test_it_conforms(conformance):
        conformance()

``pytest`` finds the marker and the fixtures by itself where the toolkit is installed with the extra ``testing``. The
checks themselves need no pytest: ``examine(subject)`` runs them, and so does ``constitutional plugins check NAME``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constitutional.testing.checks.arena import TableArena
    from constitutional.testing.kit import Check, Outcome, checks_of, examine
    from constitutional.testing.ledger import MemoryLedger
    from constitutional.testing.material import PRINCIPLE, pair, prompt, response, tiny_constitution, trace
    from constitutional.testing.minds import by_length, graded, lopsided, silent
    from constitutional.testing.subject import Fault, NotApplicable, Subject
    from constitutional.testing.workshop import Workshop, recorded_model

_HOME = {
    "Check": "kit",
    "Fault": "subject",
    "MemoryLedger": "ledger",
    "NotApplicable": "subject",
    "Outcome": "kit",
    "PRINCIPLE": "material",
    "Subject": "subject",
    "TableArena": "checks.arena",
    "Workshop": "workshop",
    "by_length": "minds",
    "checks_of": "kit",
    "examine": "kit",
    "graded": "minds",
    "lopsided": "minds",
    "pair": "material",
    "prompt": "material",
    "recorded_model": "workshop",
    "response": "material",
    "silent": "minds",
    "tiny_constitution": "material",
    "trace": "material",
}
__all__ = [
    "PRINCIPLE",
    "Check",
    "Fault",
    "MemoryLedger",
    "NotApplicable",
    "Outcome",
    "Subject",
    "TableArena",
    "Workshop",
    "by_length",
    "checks_of",
    "examine",
    "graded",
    "lopsided",
    "pair",
    "prompt",
    "recorded_model",
    "response",
    "silent",
    "tiny_constitution",
    "trace",
]


def __getattr__(name: str) -> Any:
    """Import on first use: pytest loads the fixtures of this package in every session."""
    if name not in _HOME:
        raise AttributeError(f"module 'constitutional.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"constitutional.testing.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """What completion offers: the public names, imported or not."""
    return __all__
