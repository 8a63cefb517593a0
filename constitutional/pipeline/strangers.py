"""What installed plugins do, at the place where they meet a run: what is wrong with one is said with its name.

A run believes what ships. Of everybody else's plugin it looks at what the factory made (has it the method of its kind, with
the arguments?) before anything is asked, and at every answer before it counts: a label of P = 2, or of NaN, is worse than
none. An exception in a method becomes a ``PluginError`` that says whose it is and where; it costs one prompt.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from functools import wraps
from types import SimpleNamespace, TracebackType
from typing import Any

from constitutional.core.records import Critique, Drop, Judgement, Reject, Ruling, Score
from constitutional.errors import ConstitutionalError, PluginError, near_matches
from constitutional.plugins import BUILTIN, TITLES, Registered, place_of
from constitutional.roles import Filter, ModelSetup, PromptFilter, Rewrite, SetFilter, Setup

METHODS = {
    "critic": ("critique", 3), "reviser": ("revise", 5), "judge": ("judge", 4), "scorer": ("score", 3),
    "pairing": ("pair", 1),
}  # fmt: skip
"""The one method of a kind, and how many arguments it takes."""
OF_MODELS = ("id", "identity", "chat", "choose", "aclose")
OF_FILTERS = {"check": 2, "admit": 1, "sift": 2, "survey": 2}
PLAIN = ("admit", "sift", "survey", "needs")
"""Those that are never awaited."""


def made_by(registered: Registered, setup: Setup | ModelSetup) -> Any:
    """What the factory makes of a setup; of a stranger's, with the methods watched that a run calls. A model's are not: its
    calls are counted, repeated and blamed where they are made."""
    if registered.distribution == BUILTIN:
        return registered.factory(setup)
    takes = "; a factory takes one argument, the Setup"
    with _Blaming(f"{_named(registered)} cannot be made", takes), redirect_stdout(sys.stderr):
        made = registered.factory(setup)
    problem = lacking(registered.kind, made)
    if problem:
        raise PluginError(f"{_named(registered)}: {problem}")
    return made if registered.kind == "model" else watched(registered.kind, _named(registered), made)


def lacking(kind: str, made: Any) -> str | None:
    """What is wrong with the methods of what a factory made."""
    if kind == "model":
        absent = next((name for name in OF_MODELS if not hasattr(made, name)), None)
        return None if absent is None else f"a provider's model has {absent}, and this one has not"
    if kind == "constitution":
        return None
    if kind == "filter":
        counts = {name: count for name, count in OF_FILTERS.items() if callable(getattr(made, name, None))}
        if not isinstance(made, Filter | PromptFilter | SetFilter):
            return "has no method of a filter: check, admit or sift"
    else:
        counts = dict([METHODS[kind]])
    for name, count in counts.items():
        method = getattr(made, name, None)
        if not callable(method):
            own = [other for other in dir(made) if not other.startswith("_")]
            hint = near_matches(name, own) if own else ""
            return f"what the factory returns has no method {name}{hint}"
        try:
            inspect.signature(method).bind(*range(count))
        except TypeError as error:
            return f"{name} does not take {count} arguments: {error}"
    return None


def watched(kind: str, named: str, made: Any) -> Any:
    """The same with its methods watched, and no others."""
    names = [*OF_FILTERS] if kind == "filter" else [METHODS[kind][0]]
    if kind == "pairing":
        names.append("needs")
    found = {name: getattr(made, name) for name in names if callable(getattr(made, name, None))}
    return SimpleNamespace(**{name: _watch(named, name, method) for name, method in found.items()})


def _watch(named: str, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    verify = _VERIFY.get(name)

    def verified(arguments: tuple[Any, ...], answer: Any) -> Any:
        problem = verify(answer, *arguments) if verify else None
        if problem:
            raise PluginError(f"{named}: {problem}")
        return answer

    @wraps(method)
    def plain(*arguments: Any) -> Any:
        with _Blaming(named):
            answer = method(*arguments)
        if inspect.iscoroutine(answer):
            answer.close()
            raise PluginError(f"{named}: {name} is async, and has to be a plain function")
        return verified(arguments, answer)

    @wraps(method)
    async def awaited(*arguments: Any) -> Any:
        with _Blaming(named):
            answer = method(*arguments)
            if inspect.isawaitable(answer):
                answer = await answer
        return verified(arguments, answer)

    return plain if name in PLAIN else awaited


class _Blaming(AbstractContextManager[None]):
    """Whatever is raised inside, but for what the toolkit raises itself, is the plugin's."""

    def __init__(self, named: str, hint: str = "") -> None:
        self._named, self._hint = named, hint

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        ours = ConstitutionalError | KeyboardInterrupt | asyncio.CancelledError | GeneratorExit | MemoryError
        if error is None or isinstance(error, ours):
            return
        hint = self._hint if isinstance(error, TypeError) else ""
        raise PluginError(f"{self._named}{_place(at)}: {type(error).__name__}: {error}{hint}") from error


def _place(at: TracebackType | None) -> str:
    """In the file that was called."""
    called = at.tb_next if at else None
    if called is None:
        return ""
    file = called.tb_frame.f_code.co_filename
    return place_of(called, lambda frame: frame.f_code.co_filename == file)


def _named(registered: Registered) -> str:
    kind = TITLES.get(registered.kind, registered.kind)
    return f"{kind} {registered.name!r} of {registered.distribution}"


def wrong_judgement(found: Any, prompt: Any, a: Any, b: Any, principle: Any) -> str | None:
    return (
        _no_record(found, Judgement, "judge")
        or _other(found.a, a.id, "a")
        or _other(found.b, b.id, "b")
        or _other(found.principle_id, principle.id, "principle_id")
        or next((bad for name in ("p_ab", "p_ba", "p") if (bad := _no_probability(getattr(found, name), name))), None)
    )


def wrong_score(found: Any, prompt: Any, response: Any, principle: Any) -> str | None:
    return (
        _no_record(found, Score, "score")
        or _other(found.response_id, response.id, "response_id")
        or _other(found.principle_id, principle.id, "principle_id")
        or _no_probability(found.value, "value")
    )


def wrong_critique(found: Any, prompt: Any, response: Any, principle: Any) -> str | None:
    problem = (
        _no_record(found, Critique, "critique")
        or _other(found.response_id, response.id, "response_id")
        or _other(found.principle_id, principle.id, "principle_id")
        or _no_probability(found.p_violates, "p_violates")
    )
    if problem is None and not isinstance(found.violates, bool | None):
        return f"violates is {found.violates!r}, not True, False or None"
    return problem


def wrong_rewrite(found: Any, *_: Any) -> str | None:
    problem = _no_record(found, Rewrite, "revise")
    if problem is None and not isinstance(found.text, str):
        return f"text is {found.text!r}, not a text; an empty one says that there is no revision"
    return problem


def wrong_drop(found: Any, *_: Any) -> str | None:
    if found is None:
        return None
    if not isinstance(found, str | Drop):
        return f"a filter answers None, a word or Drop(word, details), not {found!r}"
    reason = Reject.of("", found).reason
    if not isinstance(reason, str) or not reason.replace("-", "_").isidentifier():
        return f"{reason!r} is no word to count rejects under: letters, digits and _"
    return None


def wrong_pairs(found: Any, arena: Any) -> str | None:
    if not isinstance(found, Sequence) or isinstance(found, str):
        return f"pair returns a sequence of Ruling and Reject, not {found!r}"
    strange = [item for item in found if not isinstance(item, Ruling | Reject)]
    if strange:
        return f"pair returns Ruling and Reject, not {type(strange[0]).__name__}"
    answers = {response.id for response in (*arena.responses, *arena.final.values())}
    for item in found:
        if isinstance(item, Ruling) and not {item.a, item.b} <= answers:
            return f"pair returns a ruling on {item.a} and {item.b}: both are answers of this prompt, as arena.compare gives"
        if isinstance(item, Ruling) and (problem := _no_probability(item.p, "p of a ruling")):
            return problem
    return None


_VERIFY: dict[str, Callable[..., str | None]] = {
    "judge": wrong_judgement, "score": wrong_score, "critique": wrong_critique, "revise": wrong_rewrite,
    "pair": wrong_pairs, "check": wrong_drop, "admit": wrong_drop, "sift": wrong_drop,
}  # fmt: skip


def _no_record(found: Any, kind: type, method: str) -> str | None:
    return None if isinstance(found, kind) else f"{method} returns {type(found).__name__}, not {kind.__name__}"


def _other(found: Any, wanted: str, name: str) -> str | None:
    return None if found == wanted else f"{name} is {found!r}; {wanted!r} was asked about"


def _no_probability(value: Any, name: str) -> str | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and math.isfinite(value) and 0 <= value <= 1:
        return None
    return f"{name} is {value!r}, not a number from 0 to 1, or None for an abstention"
