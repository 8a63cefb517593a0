"""The far end of a Ray pool: the whole pipeline with its own model adapters, and no ledger.

It asks the driver before each call whether the ledger has the reply, and tells it each reply at once: what the driver has
heard survives this process."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from constitutional.config.run import RunConfig
from constitutional.core.codec import from_json, to_json
from constitutional.core.constitution import Constitution
from constitutional.core.records import Prompt
from constitutional.errors import ConstitutionalError, RunStoppedError
from constitutional.ledger import Once
from constitutional.ledger.once import Ask
from constitutional.models.base import NoLogprobs
from constitutional.models.meter import Meter
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.ray.wire import (
    Asked,
    Done,
    Drop,
    Ended,
    Failed,
    FromReplica,
    Grant,
    Halt,
    Home,
    ToReplica,
    Want,
    Work,
)
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.trace import not_storable, trace_prompt
from constitutional.plugins import PluginHost

T = TypeVar("T")
LINGER = 0.002
"""Seconds that messages are gathered for."""
HEARTBEAT = 30.0


class RemoteLedger(Once):
    """The driver's ledger, from afar."""

    def __init__(self, say: Callable[[FromReplica], None]) -> None:
        super().__init__()
        self._say = say
        self._wanted: dict[int, asyncio.Future[Grant]] = {}
        self._numbers = itertools.count()

    async def _find_or_ask(self, key: str, decode: Callable[[str], T], ask: Ask[T]) -> tuple[T, bool]:
        number = next(self._numbers)
        granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._wanted[number] = granted
        self._say(Want(number, key))
        grant = await granted
        if grant.refused is not None:
            raise grant.refused
        if grant.reply is not None:
            return decode(grant.reply), True
        try:
            value, row = await ask()
        except asyncio.CancelledError:
            self._say(Failed(number, RunStoppedError("cancelled")))
            raise
        except (ConstitutionalError, NoLogprobs) as error:
            self._say(Failed(number, error))
            raise
        except Exception as error:  # a plugin's own; it may not be picklable
            self._say(Failed(number, RuntimeError(f"{type(error).__name__}: {error}")))
            raise
        self._say(Asked(number, row))
        return value, False

    def granted(self, grant: Grant) -> None:
        future = self._wanted.pop(grant.number)
        if not future.done():
            future.set_result(grant)


class Replica:
    """A Ray actor: made by the driver's ``RayPool``, which alone talks to it."""

    def __init__(self, config: str, base: str, constitution: str) -> None:
        self._config = RunConfig.model_validate(json.loads(config))
        self._base = Path(base)
        self._constitution = from_json(Constitution, constitution)
        self._assembly: Assembly
        self._meter = Meter()
        self._ledger = RemoteLedger(self._say)
        self._said: list[FromReplica] = []
        self._something = asyncio.Event()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def start(self) -> Home:
        bind = recorded(self._ledger, self._meter, self._config)
        self._assembly = assemble(self._config, PluginHost(), self._base, bind, constitution=self._constitution)
        return Home(self._assembly.plan, socket.gethostname(), os.getpid())

    async def tell(self, messages: list[ToReplica]) -> None:
        for message in messages:
            match message:
                case Grant():
                    self._ledger.granted(message)
                case Work(number, prompt):
                    task = asyncio.get_running_loop().create_task(self._trace(number, prompt))
                    self._tasks[number] = task
                    task.add_done_callback(functools.partial(self._finished, number))
                case Drop(number) if number in self._tasks:
                    self._tasks[number].cancel()
                case Halt(why):
                    self._meter.stopping = why
                    for throttle in self._assembly.models.throttles.values():
                        throttle.stop(why)

    async def listen(self) -> list[FromReplica]:
        """What there is to say, as soon as there is something."""
        if not self._said:
            try:
                await asyncio.wait_for(self._something.wait(), HEARTBEAT)
            except TimeoutError:
                return []
            await asyncio.sleep(LINGER)
        said, self._said = self._said, []
        self._something.clear()
        return said

    async def aclose(self) -> None:
        """Wait for what is asked already, then let the models go."""
        await self._ledger.landed()
        await self._assembly.models.aclose()

    def _finished(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]

    def _say(self, message: FromReplica) -> None:
        self._said.append(message)
        self._something.set()

    async def _trace(self, number: int, prompt: Prompt) -> None:
        try:
            trace = await trace_prompt(prompt, self._assembly.cast)
        except ConstitutionalError as error:
            self._say(Ended(number, error))
            return
        try:
            text = to_json(trace)
            text.encode()
        except (TypeError, ValueError) as error:
            text = to_json(not_storable(prompt, error))
        reused = {key: count.reused for key, count in self._meter.counts.items() if count.reused}
        for count in self._meter.counts.values():
            count.reused = 0
        places = [int(throttle.limit) for throttle in self._assembly.models.throttles.values()]
        self._say(Done(number, text, reused, max([self._config.in_flight, *places])))
