"""Where requests wait for a provider's batches, at half the price: they gather until everything waits, go out as one batch,
and whoever waits for one of its replies goes on when it is there.

- A batch goes out when nothing else can be done: every request in flight waits for a batch and no new one has come for a
  moment. So a wave of a run is one batch, whatever it consists of. A full batch goes out at once.
- The first request of each kind is made directly: a wrong key, name or schema is known now and not tomorrow.
- After ``max_wait`` a batch is cancelled: what it has answered is kept, the rest is asked directly at the full price."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from constitutional.core.digest import digest
from constitutional.errors import (
    ModelError,
    ModelUnavailableError,
    RequestRefusedError,
    RunStoppedError,
    TransientError,
)
from constitutional.ledger import BatchJournal, SentBatch
from constitutional.models.batches.api import BatchApi, BatchLine, BatchStatus, Post
from constitutional.models.batches.claims import Claims
from constitutional.models.batches.patient import Patient, Waits
from constitutional.models.batches.purse import Purse
from constitutional.models.groups import joined_a_batch

TICK, QUIET = 0.05, 0.5
"""Seconds: how often it is looked whether a batch should go out, and for how long nothing must have changed."""
LONGEST_GATHER = 600.0
"""Seconds that a request waits for others at most, where something else is always going on."""
FEWEST = 100
"""Requests that go out although the budget may not cover them all: the last of it would go in ever smaller batches."""
AT_ONCE = 500
"""Replies handed on before the event loop has its turn."""


class AgainError(ModelError):
    """This request joins the next batch, and it was not its fault."""


class GivenUpError(ModelError):
    """This request's batch took too long: ask directly."""


@dataclass(slots=True)
class _Queued:
    body: dict[str, Any]
    size: int
    """Bytes of its line, which is written when it is sent: whoever waits holds the body anyway."""
    most: float
    """What it costs at most."""
    since: float
    waiters: list[asyncio.Future[Any]] = field(default_factory=list)


class Desk:
    """Where requests wait for batches of one model. ``busy`` says whether anything is going on elsewhere."""

    def __init__(
        self,
        model: str,
        api: BatchApi,
        journal: BatchJournal,
        busy: Callable[[], bool],
        waits: Waits,
        purse: Purse,
    ) -> None:
        self.model = model
        self.waiting = 0
        """Requests that wait for a reply."""
        self.out: dict[str, BatchStatus] = {}
        """Token of a batch that is out → how far it is."""
        self.batches: dict[str, SentBatch] = {}
        """By their tokens."""
        self._api = api
        self._journal = journal
        self._busy = busy
        self._waits = waits
        self._purse = purse
        self._queue: dict[str, _Queued] = {}
        self._claims = Claims()
        self._provider = Patient(api, waits)
        self._most = api.limits.requests
        self._hold_until = 0.0
        self._arrived = 0.0
        self._worker: asyncio.Task[None] | None = None
        self._followers: set[asyncio.Task[None]] = set()
        self._left: str | None = None

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def trouble(self) -> str | None:
        """Why the provider cannot be asked at the moment."""
        return self._provider.trouble

    async def post(self, body: dict[str, Any], sample: int) -> Any:
        """The JSON of the reply, from whichever batch brings it. Implements ``api.Post``."""
        if self._left is not None:
            raise RunStoppedError(self._left)
        loop = asyncio.get_running_loop()
        self._start()
        name = digest([sample, body])
        waiter: asyncio.Future[Any] = loop.create_future()
        if (sent := self._claims.batch_of(name)) is not None:
            self._claims.claim(name, [waiter])
            if sent.token not in self.out:
                self._follow(sent)
        else:
            if name not in self._queue:
                size = len(self._api.line(name, body))
                self._queue[name] = _Queued(body, size, self._purse.most(body, size), loop.time())
            self._queue[name].waiters.append(waiter)
        self._arrived = loop.time()
        self.waiting += 1
        joined_a_batch()
        try:
            return await waiter
        finally:
            self.waiting -= 1

    async def scout(self, ask: Post, body: dict[str, Any], sample: int) -> Any:
        """Ask directly. ``AgainError`` where an earlier session has sent this very request in a batch: then it had found
        out what a scout finds out. Implements ``api.Post``."""
        self._start()
        if self._claims.batch_of(digest([sample, body])) is not None:
            raise AgainError(f"{self.model}: in a batch already")
        return await ask(body, sample)

    def leave(self, why: str) -> None:
        """Wait no longer. A batch that is out stays out, and the next session collects it."""
        self._left = why
        self._fail_all(RunStoppedError(why))
        for task in self._tasks():
            task.cancel()

    async def aclose(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._followers, *([self._worker] if self._worker is not None else [])]

    def _start(self) -> None:
        if self._worker is None:
            for batch in self._journal.open():
                self._claims.send(batch)
                self._follow(batch)
            self._worker = asyncio.get_running_loop().create_task(self._guarded(self._work()))

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            while self._queue and self._due():
                await self._send()

    def _due(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._hold_until:
            return False
        if len(self._queue) >= self._most or self._lull():
            return True
        if sum(item.size for item in self._queue.values()) >= self._api.limits.size:
            return True
        return now - next(iter(self._queue.values())).since > LONGEST_GATHER

    def _lull(self) -> bool:
        return not self._busy() and asyncio.get_running_loop().time() - self._arrived >= QUIET

    async def _send(self) -> None:
        taken = self._take()
        if not taken:
            self._hold_until = asyncio.get_running_loop().time() + TICK
            return
        for name, item in taken.items():
            self._claims.claim(name, item.waiters)
        await self._send_these(taken)

    async def _send_these(self, taken: dict[str, _Queued]) -> None:
        """A batch that is refused as it is sent is halved: one bad request costs itself alone."""
        batch = await self._journal.begin(taken)
        self._claims.send(batch)
        cost = sum(item.most for item in taken.values())
        self._purse.out += cost
        try:
            name = await self._provider.submit(
                batch, lambda: (self._api.line(name, item.body) for name, item in taken.items())
            )
            await self._journal.sent(batch, name)
        except RequestRefusedError as error:
            self._purse.out -= cost
            if len(taken) == 1:
                await self._forget(batch, error)
                return
            self._claims.recall(taken)
            await self._journal.settle(batch, set(batch.names))
            names = list(taken)
            for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                await self._send_these({name: taken[name] for name in half})
        except ModelError as error:
            self._purse.out -= cost
            await self._forget(batch, error)
        else:
            self._follow(batch, cost)

    def _take(self) -> dict[str, _Queued]:
        """As much of the queue as a batch may hold and the budget may bear."""
        taken: dict[str, _Queued] = {}
        size, cost, left = 0, 0.0, self._purse.left
        for name, item in self._queue.items():
            size, cost = size + item.size + 1, cost + item.most
            too_dear = left is not None and cost > left and (self.out or len(taken) >= FEWEST)
            if len(taken) >= self._most or (taken and size > self._api.limits.size) or too_dear:
                break
            taken[name] = item
        for name in taken:
            del self._queue[name]
        return taken

    def _follow(self, batch: SentBatch, cost: float = 0.0) -> None:
        self.out[batch.token] = BatchStatus(False)
        self.batches[batch.token] = batch
        task = asyncio.get_running_loop().create_task(self._guarded(self._collect(batch, cost)))
        self._followers.add(task)
        task.add_done_callback(self._followers.discard)

    async def _collect(self, batch: SentBatch, cost: float) -> None:
        try:
            if batch.id is None and not await self._found(batch):
                return
            status, given_up = await self._provider.ended(batch, lambda seen: self.out.update({batch.token: seen}))
            while not self._all_wait(batch):  # noqa: ASYNC110 - a quiet moment is no event
                await asyncio.sleep(TICK)
            if status.refused is not None:
                await self._refused(batch, status)
                return
            self._purse.out -= cost
            cost = 0.0
            await self._hand_on(batch, status, given_up)
        finally:
            self._purse.out -= cost
            self.out.pop(batch.token, None)
        if any(name in self._claims for name in batch.names):
            self._follow(batch)

    async def _found(self, batch: SentBatch) -> bool:
        """Whether a batch that an earlier session meant to send was sent."""
        name = await self._provider.find(batch)
        if name is not None:
            await self._journal.sent(batch, name)
            return True
        await self._forget(batch, AgainError(f"{self.model}: a batch was never sent"))
        return False

    def _all_wait(self, batch: SentBatch) -> bool:
        """Of a batch that an earlier session sent, the prompts have to come first to where they waited."""
        return all(name in self._claims for name in batch.names) or self._lull()

    async def _hand_on(self, batch: SentBatch, status: BatchStatus, given_up: bool) -> None:
        """Give each reply to whoever waits for it. One that nobody waits for yet stays at the provider, and is fetched
        again when it is asked for: that is the journal's to remember."""
        lost: ModelError = TransientError(
            f"{self.model}: a batch expired before this request had its turn", "batch_expired"
        )
        if given_up:
            lost = GivenUpError(f"{self.model}: a batch took longer than --batch-max-wait")
        unanswered, done = set(batch.names), set[str]()

        async def read() -> None:
            async for line in self._api.results(status):
                if line.name not in unanswered or (line.data is None and line.error is None):
                    continue
                unanswered.discard(line.name)
                if self._claims.settle(line):
                    done.add(line.name)
                if len(done) % AT_ONCE == 0:
                    await asyncio.sleep(0)

        await self._provider.until_it_works(read)
        for name in unanswered:
            self._claims.settle(BatchLine(name, error=lost))
        done |= unanswered
        self._claims.recall(done)
        await self._replies_filed()
        await self._journal.settle(batch, done)

    async def _replies_filed(self) -> None:
        """From here a reply needs a few turns of the event loop until it is queued for the ledger."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def _refused(self, batch: SentBatch, status: BatchStatus) -> None:
        words = f"{self.model}: a batch of {batch.requests:,} was refused: {status.refused}"
        if not status.too_much:
            await self._forget(batch, ModelUnavailableError(words))
        elif batch.requests == 1 and len(self.out) == 1:
            await self._forget(batch, RequestRefusedError(words))
        else:
            self._most = max(1, min(self._most, batch.requests) // 2)
            self._hold_until = asyncio.get_running_loop().time() + self._waits.poll
            await self._forget(batch, AgainError(words))

    async def _forget(self, batch: SentBatch, error: ModelError) -> None:
        names = set(batch.names)
        self._claims.recall(names)
        for name in names:
            self._claims.settle(BatchLine(name, error=error))
        await self._journal.settle(batch, names)

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Whatever ends the work ends the waiting."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail_all(error)

    def _fail_all(self, error: BaseException) -> None:
        waiters = [waiter for item in self._queue.values() for waiter in item.waiters]
        waiters += self._claims.give_up()
        self._queue.clear()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
