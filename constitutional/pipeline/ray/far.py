"""A replica as the driver sees it: the prompts that it works on, what it is asking, and what is yet to be told to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from constitutional.core.records import Prompt, Trace
from constitutional.ledger import CallRow
from constitutional.pipeline.ray.wire import Home, ToReplica

ALONE_AFTER = 2
"""Replicas that died under a prompt before it is tried alone."""


class ReplicaLost(Exception):  # noqa: N818 - a signal inside this folder
    """The replica that was asking is gone."""


@dataclass(eq=False, slots=True)
class Job:
    prompt: Prompt
    done: asyncio.Future[Trace]
    crashes: int = 0

    @property
    def suspect(self) -> bool:
        return self.crashes >= ALONE_AFTER


@dataclass(eq=False, slots=True)
class Far:
    """A replica as the driver sees it."""

    actor: Any
    jobs: dict[int, Job] = field(default_factory=dict)
    asked: dict[int, asyncio.Future[CallRow]] = field(default_factory=dict)
    outbox: list[ToReplica] = field(default_factory=list)
    home: Home | None = None
    """Where it is, once it is ready."""
    lost: bool = False
    places: int | None = None
    """Calls that its models take at once, once it has said so."""

    @property
    def ready(self) -> bool:
        return self.home is not None and not self.lost

    @property
    def isolating(self) -> bool:
        return any(job.suspect for job in self.jobs.values())

    def say(self, message: ToReplica) -> None:
        if self.lost:
            return
        if not self.outbox:
            asyncio.get_running_loop().call_soon(self._send)
        self.outbox.append(message)

    def _send(self) -> None:
        messages, self.outbox = self.outbox, []
        if not self.lost:
            self.actor.tell.remote(messages)


def settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
