"""The conformance kit: which checks there are for which kind, and running them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from constitutional.plugins import KINDS
from constitutional.testing.checks import asking, judging, models, registering
from constitutional.testing.subject import Fault, NotApplicable, Subject

Said = Literal["ok", "fault", "skipped"]
ROLES = frozenset({"critic", "reviser", "judge", "scorer"})
ASKED = ROLES | {"pairing"}
FIRST = ("registers", "checks-its-options")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is checked of some kinds."""

    name: str
    kinds: frozenset[str]
    run: Callable[[Subject], None]

    @property
    def about(self) -> str:
        return " ".join((self.run.__doc__ or "").split())

    def __call__(self, subject: Subject) -> None:
        """Raises a ``Fault``, or ``NotApplicable``."""
        if self.name in subject.skip:
            raise NotApplicable(subject.skip[self.name])
        self.run(subject)


@dataclass(frozen=True, slots=True)
class Outcome:
    check: str
    said: Said
    detail: str = ""


CHECKS = tuple(
    Check(name, frozenset(kinds), function)
    for name, kinds, function in (
        ("registers", KINDS, registering.registers),
        ("loads-lightly", KINDS, registering.loads_lightly),
        ("checks-its-options", KINDS, registering.checks_its_options),
        ("makes-without-asking", KINDS, registering.makes_without_asking),
        ("answers", ASKED | {"filter"}, asking.answers),
        ("takes-hostile-input", ASKED | {"filter"}, asking.takes_hostile_input),
        ("is-deterministic", ASKED | {"filter"}, asking.is_deterministic),
        ("is-safe-side-by-side", ASKED, asking.is_safe_side_by_side),
        ("can-be-cancelled", ASKED, asking.can_be_cancelled),
        ("abstains", ROLES, asking.abstains),
        ("is-symmetric", {"judge"}, judging.is_symmetric),
        ("is-monotonic", {"scorer"}, judging.is_monotonic),
        ("asks-what-it-said", {"pairing"}, judging.asks_what_it_said),
        ("waits-for-its-answers", {"pairing"}, judging.waits_for_its_answers),
        ("has-an-identity", {"model"}, models.has_an_identity),
        ("chats", {"model"}, models.chats),
        ("chooses", {"model"}, models.chooses),
        ("takes-any-message", {"model"}, models.takes_any_message),
        ("loads", {"constitution"}, models.loads),
        ("is-well-written", {"constitution"}, models.is_well_written),
    )
)


def checks_of(kind: str) -> tuple[Check, ...]:
    return tuple(check for check in CHECKS if kind in check.kinds)


def examine(subject: Subject) -> list[Outcome]:
    """Every check of its kind. One that is not registered, or does not take its options, is examined no further."""
    found = []
    for check in checks_of(subject.kind):
        found.append(_examined(check, subject))
        if check.name in FIRST and found[-1].said == "fault":
            break
    return found


def _examined(check: Check, subject: Subject) -> Outcome:
    try:
        check(subject)
    except NotApplicable as why:
        return Outcome(check.name, "skipped", str(why))
    except Fault as fault:
        return Outcome(check.name, "fault", str(fault))
    except Exception as error:
        return Outcome(check.name, "fault", f"{type(error).__name__}: {error}")
    return Outcome(check.name, "ok")
