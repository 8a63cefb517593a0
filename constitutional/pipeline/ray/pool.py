"""``engine: ray``: prompts are worked on by replicas on a Ray cluster, and this process alone has the ledger.

Plain actors, and not Ray Data: its ``map_batches`` hands over a block when the whole block is done, so that a lost actor
takes all replies of its block along, and nothing inside a block can ask the ledger. Here each replica asks the driver's
ledger before every call and tells it every reply at once, over one stream of gathered messages each way.

- A replica joins as soon as the cluster has room for it; a run begins with the first.
- A lost replica's prompts go elsewhere, and what they had been answered comes from the ledger.
- A prompt that was in work when two replicas died is tried alone; where that one dies too, the prompt is rejected
  (``crashed_engine``) and the run goes on without it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import deque
from pathlib import Path

from constitutional.config.run import RunConfig
from constitutional.core.codec import from_json, to_json
from constitutional.core.messages import Usage
from constitutional.core.records import Prompt, Reason, Reject, Trace
from constitutional.errors import ConstitutionalError, ModelUnavailableError, PluginError, RunStoppedError, first_line
from constitutional.ledger import CallRow, Ledger
from constitutional.models.base import NoLogprobs
from constitutional.models.meter import Meter
from constitutional.pipeline.ray.cluster import Cluster
from constitutional.pipeline.ray.far import ALONE_AFTER, Far, Job, ReplicaLost, settle
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
    Want,
    Work,
)
from constitutional.pipeline.setup import Assembly

IN_WORK = 2
"""Prompts that a replica has per call in flight, as in ``run``."""
LOOK = 10.0
"""Seconds between two looks at how many replicas the cluster has room for."""
STILLBORN = 3
"""Replicas that may die one after another before any was ready."""


class RayPool:
    """``trace`` is to a cluster what ``trace_prompt`` is to this process."""

    def __init__(self, config: RunConfig, base: Path, assembly: Assembly, ledger: Ledger, meter: Meter) -> None:
        self._config = config
        self._cluster = Cluster(config)
        self._base = base
        self._assembly = assembly
        self._ledger = ledger
        self._meter = meter
        self._numbers = itertools.count()
        self._waiting: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        self._replicas: list[Far] = []
        self._served: set[asyncio.Task[None]] = set()
        self._wants: set[asyncio.Task[None]] = set()
        self._stillborn = 0
        self._lost = 0
        self._looking: asyncio.Task[None] | None = None
        self._why: str | None = None
        self._fault: BaseException | None = None

    @property
    def homes(self) -> list[Home]:
        return [replica.home for replica in self._replicas if replica.home is not None]

    def line(self) -> str:
        ready = sum(replica.ready for replica in self._replicas)
        work = sum(len(replica.jobs) for replica in self._replicas)
        lost = f", {self._lost} lost" if self._lost else ""
        wanted, room = self._config.ray.replicas, self._cluster.room
        tight = (
            f" (the nodes hold {room}: each takes {self._cluster.needs})" if ready < wanted and room < wanted else ""
        )
        return f"{ready} of {wanted} replicas{tight}, {work} prompts in work{lost}"

    @property
    def window(self) -> int:
        """Prompts in work at once, with those for replicas that are not ready yet."""
        return sum(map(self._most, self._replicas))

    async def start(self) -> None:
        await self._cluster.join()
        self._looking = asyncio.get_running_loop().create_task(self._look())
        for _ in range(self._config.ray.replicas):
            self._add()

    async def trace(self, prompt: Prompt) -> Trace:
        if self._fault is not None:
            raise self._fault
        if self._why is not None:
            raise RunStoppedError(self._why)
        job = Job(prompt, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._give()
        try:
            return await job.done
        except asyncio.CancelledError:
            self._withdraw(job)
            raise

    def stop(self, why: str) -> None:
        """Prompts end at their next call; calls in flight are still heard of."""
        self._why = why
        for job in (*self._waiting, *self._suspects):
            settle(job.done, RunStoppedError(why))
        self._waiting.clear()
        self._suspects.clear()
        for replica in self._replicas:
            replica.say(Halt(why))

    async def _look(self) -> None:
        with contextlib.suppress(Exception):  # only what is shown depends on it
            while True:
                await asyncio.sleep(LOOK)
                await self._cluster.look()

    async def aclose(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for task in (*self._served, *self._wants):
            task.cancel()
        await asyncio.gather(*self._served, *self._wants, return_exceptions=True)
        with contextlib.suppress(Exception):
            closing = [replica.actor.aclose.remote() for replica in self._replicas if replica.ready]
            if closing and self._fault is None:
                await asyncio.wait_for(asyncio.gather(*closing), 30)
        await self._cluster.leave([replica.actor for replica in self._replicas])

    def _add(self) -> None:
        config = json.dumps(self._config.model_dump(mode="json"))
        replica = Far(self._cluster.actor(config, str(self._base.absolute()), to_json(self._assembly.constitution)))
        self._replicas.append(replica)
        task = asyncio.get_running_loop().create_task(self._serve(replica))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, replica: Far) -> None:
        """From its start to its loss, or to the end of the run. Whatever else goes wrong ends the run."""
        try:
            await self._listen(replica)
        except ConstitutionalError as error:
            self._fail(error)
        except Exception as error:
            self._fail(_broken(error))

    async def _listen(self, replica: Far) -> None:
        from ray.exceptions import RayActorError, RayTaskError

        try:
            home = await replica.actor.start.remote()
            self._check(home)
            replica.home, self._stillborn = home, 0
            if self._why is not None:
                replica.say(Halt(self._why))
            self._give()
            while True:
                for message in await replica.actor.listen.remote():
                    self._heard(replica, message)
        except RayActorError as error:
            self._gone(replica, error)
        except RayTaskError as error:
            raise _there(error.cause) if isinstance(error.cause, ConstitutionalError) else _broken(error) from error

    def _check(self, home: Home) -> None:
        if home.plan != self._assembly.plan:
            raise PluginError(
                f"engine: ray: the replica on {home.node} would run another plan than this process: the same version of "
                "constitutional and of its plugins, and the same templates and model folders, must be on every node"
            )

    def _give(self) -> None:
        """Prompts to whoever has least to do. A suspect goes to a replica that has nothing else."""
        while self._suspects:
            idle = next((each for each in self._replicas if each.ready and not each.jobs), None)
            if idle is None:
                break
            self._assign(idle, self._suspects.popleft())
        # While suspects wait, one replica takes nothing new, so that it becomes idle.
        spared = next((each for each in self._replicas if each.ready), None) if self._suspects else None
        while self._waiting:
            able = [each for each in self._replicas if each.ready and each is not spared and not each.isolating]
            free = [each for each in able if len(each.jobs) < self._most(each)]
            if not free:
                return
            self._assign(min(free, key=lambda each: len(each.jobs)), self._waiting.popleft())

    def _most(self, replica: Far) -> int:
        """Prompts that it may have."""
        return max(4, IN_WORK * (replica.places or self._config.in_flight))

    def _assign(self, replica: Far, job: Job) -> None:
        number = next(self._numbers)
        replica.jobs[number] = job
        replica.say(Work(number, job.prompt))

    def _withdraw(self, job: Job) -> None:
        for queue in (self._waiting, self._suspects):
            with contextlib.suppress(ValueError):
                queue.remove(job)
        for replica in self._replicas:
            for number, each in list(replica.jobs.items()):
                if each is job:
                    replica.say(Drop(number))
                    del replica.jobs[number]

    def _heard(self, replica: Far, message: FromReplica) -> None:
        match message:
            case Want(number, key):
                task = asyncio.get_running_loop().create_task(self._want(replica, number, key))
                self._wants.add(task)
                task.add_done_callback(self._wants.discard)
            case Asked(number, row):
                settle(replica.asked.pop(number), row)
            case Failed(number, error):
                settle(replica.asked.pop(number), error)
            case Done(number, trace, reused, places):
                replica.places = places
                for (role, model), count in reused.items():
                    for _ in range(count):
                        self._meter.reused(role, model)
                self._end(replica, number, from_json(Trace, trace))
            case Ended(number, error):
                self._end(replica, number, _there(error))

    def _end(self, replica: Far, number: int, result: Trace | Exception) -> None:
        job = replica.jobs.pop(number, None)
        if job is not None:
            settle(job.done, result)
        self._give()

    async def _want(self, replica: Far, number: int, key: str) -> None:
        """Look a request up for a replica. Where nobody has its reply, the replica asks, and the ledger hears it."""
        own = False

        async def ask() -> tuple[str, CallRow]:
            nonlocal own
            self._meter.admit()
            own = True
            if replica.lost:
                raise ReplicaLost
            heard = replica.asked[number] = asyncio.get_running_loop().create_future()
            replica.say(Grant(number))
            row = await heard
            usage = Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens)
            self._meter.made(row.role, row.model, usage, row.cost)
            return row.reply, row

        while not replica.lost:
            try:
                reply, _ = await self._ledger.answer(key, str, ask)
            except ReplicaLost:
                continue  # an identical request of a replica that is gone: this one asks instead
            except Exception as error:
                if own and isinstance(error, NoLogprobs):
                    self._meter.started -= 1
                if not own:
                    replica.say(Grant(number, refused=error))
            else:
                if not own:
                    replica.say(Grant(number, reply))
            return

    def _gone(self, replica: Far, error: Exception) -> None:
        was_ready, replica.lost = replica.ready, True
        self._lost += 1
        self._replicas.remove(replica)
        for heard in replica.asked.values():
            settle(heard, ReplicaLost())
        for job in replica.jobs.values():
            self._redo(job, alone=len(replica.jobs) == 1, error=error)
        self._stillborn = 0 if was_ready else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            self._fail(PluginError(f"engine: ray: {STILLBORN} replicas died as they started: {first_line(error)}"))
            return
        if self._why is None:
            self._add()
        self._give()

    def _redo(self, job: Job, *, alone: bool, error: Exception) -> None:
        job.crashes += 1
        if alone and job.crashes > ALONE_AFTER:
            detail = (
                f"the replica died each of the {job.crashes} times that it worked on this prompt: {first_line(error)}"
            )
            reject = Reject(job.prompt.id, Reason.CRASHED, detail[:500], failure=True)
            settle(job.done, Trace(job.prompt, rejects=(reject,)))
        elif job.suspect:
            self._suspects.append(job)
        else:
            self._waiting.appendleft(job)

    def _fail(self, error: BaseException) -> None:
        """Ends the run."""
        self._fault = self._fault or error
        jobs = [*self._waiting, *self._suspects, *(job for replica in self._replicas for job in replica.jobs.values())]
        for job in jobs:
            settle(job.done, error)


def _there(error: Exception) -> Exception:
    """What a replica lacks may be right here: this process was asked for the same things before."""
    if isinstance(error, RunStoppedError) or not isinstance(error, ConstitutionalError):
        return error
    words = f"{error} (on a replica: keys, packages and files are those of its Ray node, and not of this process)"
    return ModelUnavailableError(words) if isinstance(error, ModelUnavailableError) else PluginError(words)


def _broken(error: BaseException) -> PluginError:
    return PluginError(f"engine: ray: a replica failed: {first_line(error)}")
