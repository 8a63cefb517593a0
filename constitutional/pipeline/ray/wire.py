"""What a driver and a replica say to each other. The numbers of wants are the replica's, those of prompts the
driver's."""

from __future__ import annotations

from typing import NamedTuple

from constitutional.core.records import Prompt
from constitutional.ledger import CallRow


class Home(NamedTuple):
    """Where a replica is, and what it would run: the plan must be the driver's own."""

    plan: str
    node: str
    pid: int


class Work(NamedTuple):
    """Make the trace of this prompt."""

    number: int
    prompt: Prompt


class Drop(NamedTuple):
    """Nobody waits for this prompt any more."""

    number: int


class Grant(NamedTuple):
    """The answer to a Want: the recorded reply, or why there will be none, or neither: ask."""

    number: int
    reply: str | None = None
    refused: Exception | None = None


class Halt(NamedTuple):
    """Start no further call."""

    why: str


class Want(NamedTuple):
    """A reply that a prompt needs; it may be in the ledger."""

    number: int
    key: str


class Asked(NamedTuple):
    """The reply to what was granted."""

    number: int
    row: CallRow


class Failed(NamedTuple):
    """What was granted got no reply."""

    number: int
    error: Exception


class Done(NamedTuple):
    """A trace as JSON, how many replies were reused by role and model since the last one, and how many calls the
    replica's models take at once."""

    number: int
    trace: str
    reused: dict[tuple[str, str], int]
    places: int


class Ended(NamedTuple):
    """A prompt that ends the run, or that ends with it."""

    number: int
    error: Exception


ToReplica = Work | Drop | Grant | Halt
FromReplica = Want | Asked | Failed | Done | Ended
