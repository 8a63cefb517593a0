"""A plugin's own work: done once, counted, recorded, and never done for nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.errors import RunStoppedError
from constitutional.ledger import Ledger, LedgerView
from constitutional.models.meter import Meter
from constitutional.models.work import RecordedWork, Worker
from constitutional.pipeline.bind import Unasked

WORKER = Worker("judge", "mine", "1.0", {"model": "m"})


class Bench:
    def __init__(self, folder: Path, meter: Meter | None = None) -> None:
        self.path = folder / "run.db"
        self.meter = meter or Meter()
        self.done: list[Any] = []

    def ask(self, *questions: Any, worker: Worker = WORKER, **how: Any) -> list[Any]:
        """All of them side by side, in a session of their own."""

        def work(question: Any) -> Callable[[], Awaitable[Any]]:
            async def answer() -> Any:
                self.done.append(question)
                await asyncio.sleep(0)
                return {"answer": (question, 1.5, None)}

            return answer

        async def run() -> list[Any]:
            ledger = Ledger(self.path)
            try:
                remember = RecordedWork(worker, ledger, self.meter)
                return list(
                    await asyncio.gather(*(remember(question, work(question), **how) for question in questions))
                )
            finally:
                ledger.close()

        return asyncio.run(run())


def test_the_same_question_is_worked_on_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.ask("q", "q", "r") == [{"answer": [name, 1.5, None]} for name in ("q", "q", "r")]
    assert bench.ask("q", "r") == [{"answer": [name, 1.5, None]} for name in ("q", "r")]
    assert bench.done == ["q", "r"]
    assert (bench.meter.calls_made, bench.meter.calls_reused) == (2, 3)
    with LedgerView(bench.path) as view:
        rows = list(view.rows("SELECT role, model, reply, cost FROM calls"))
    assert {(role, model, cost) for role, model, _, cost in rows} == {("judge", "plugin:mine", 0.0)}
    assert {json.loads(reply)["value"]["answer"][0] for _, _, reply, _ in rows} == {"q", "r"}


@pytest.mark.parametrize(
    ("other", "complete", "again"),
    [
        (Worker("scorer", "mine", "1.0", {"model": "m"}), False, True),
        (Worker("judge", "mine", "1.0", {"model": "n"}), False, True),
        (Worker("scorer", "mine", "1.0", {"model": "n"}), True, False),
        (Worker("judge", "mine", "1.1", {"model": "m"}), True, True),
        (Worker("judge", "other", "1.0", {"model": "m"}), True, True),
    ],
)
def test_what_names_a_piece_of_work(tmp_path: Path, other: Worker, complete: bool, again: bool) -> None:
    bench = Bench(tmp_path)
    bench.ask({"q": 1}, complete=complete)
    bench.ask({"q": 1}, worker=other, complete=complete)
    assert bench.done == [{"q": 1}] * (2 if again else 1)


def test_a_complete_question_is_not_taken_for_another(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.ask("q")
    bench.ask("q", complete=True)
    assert bench.done == ["q", "q"]


def test_a_budget_counts_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Meter(max_calls=2))
    bench.ask("a", "b")
    with pytest.raises(RunStoppedError, match="budget of 2 calls"):
        bench.ask("c")
    assert bench.ask("a") == [{"answer": ["a", 1.5, None]}]
    assert bench.done == ["a", "b"]


def test_what_json_cannot_hold_is_the_plugins_fault(tmp_path: Path) -> None:
    async def run(value: Any) -> None:
        async def work() -> Any:
            return value

        ledger = Ledger(tmp_path / "run.db")
        try:
            await RecordedWork(WORKER, ledger, Meter())("q", work)
        finally:
            ledger.close()

    for value, error in ((float("nan"), ValueError), ({1, 2}, TypeError)):
        with pytest.raises(error):
            asyncio.run(run(value))


def test_a_check_of_the_configuration_works_on_nothing() -> None:
    async def work() -> Any:
        raise AssertionError("it worked")

    with pytest.raises(RunStoppedError, match="mine was to work"):
        asyncio.run(_awaited(Unasked().remember(WORKER)("q", work)))


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
