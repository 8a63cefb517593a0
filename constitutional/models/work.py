"""A plugin's own work as it sees it: done once, recorded in the ledger like a model's reply."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from constitutional.core.digest import digest
from constitutional.core.messages import Usage
from constitutional.ledger import CallRow, Once
from constitutional.models.meter import Meter


@dataclass(frozen=True, slots=True)
class Worker:
    """The plugin whose work it is: all of it is part of the ledger's keys."""

    kind: str
    name: str
    version: str
    options: Mapping[str, Any]

    def value(self, question: Any, complete: bool) -> list[Any]:
        """What the ledger's key is the digest of. A complete question stands alone: kind and options play no part."""
        if complete:
            return ["plugin", self.name, self.version, question]
        return ["plugin", self.kind, self.name, self.version, dict(self.options), question]


@dataclass(frozen=True, slots=True)
class RecordedWork:
    """Implements ``roles.Remember``. Each piece of work counts as one call of the run, and costs nothing."""

    worker: Worker
    ledger: Once
    meter: Meter

    async def __call__(
        self, question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
    ) -> Any:
        value = self.worker.value(question, complete)
        key = digest(value)

        async def do() -> tuple[Any, CallRow]:
            self.meter.admit()
            began = time.monotonic()
            reply = json.dumps({"value": await work()}, ensure_ascii=False, allow_nan=False)
            self.meter.made(self.worker.kind, self._model, Usage(), 0.0)
            took = time.monotonic() - began
            row = CallRow(key, self.worker.kind, self._model, value, reply, 0, 0, 0, 0.0, took, time.time())
            return work_from(reply), row

        answer, reused = await self.ledger.answer(key, work_from, do)
        if reused:
            self.meter.reused(self.worker.kind, self._model)
        return answer

    @property
    def _model(self) -> str:
        return f"plugin:{self.worker.name}"


def work_from(reply: str) -> Any:
    return json.loads(reply)["value"]
