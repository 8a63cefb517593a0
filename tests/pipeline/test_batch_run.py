"""Runs that ask by providers' batches, on a server that speaks both batch APIs: the same data at half the price, whatever
happens to the batches."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from constitutional.config.run import RunConfig
from constitutional.dataset.write import write_dataset
from constitutional.errors import ConfigError, ModelUnavailableError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.models.batches.desk import Desk
from constitutional.pipeline.estimate import estimate
from constitutional.pipeline.run import run_prompts
from constitutional.pipeline.setup import check
from constitutional.pipeline.stop import Stop
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult
from tests.support.processes import fingerprint, generate, start, write_prompts
from tests.support.runs import tier
from tests.support.server import Server, serve

PROMPTS = 12
PROVIDERS = ("openai", "anthropic")


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long nothing must have changed before a batch goes out decides how many there are, and nothing else."""
    monkeypatch.setattr("constitutional.models.batches.desk.QUIET", 0.05)
    monkeypatch.setattr("constitutional.models.batches.desk.TICK", 0.01)
    monkeypatch.setenv("SOME_KEY", "x")


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    started.reset()
    yield started
    started.configure(batch_delay=0.0, batch_limit=None, batch_expired=0.0, batch_500=0.0, batch_poison=None, poison=[],
                      no_batches=False)  # fmt: skip


def configured(folder: Path, server: Server, provider: str, batched: bool, **settings: Any) -> RunConfig:
    folder.mkdir(exist_ok=True)
    (folder / "words.yaml").write_text(json.dumps({"name": "words", "tiers": [tier("t", "strong", "mara", "sone")]}))
    write_prompts(folder / "prompts.jsonl", PROMPTS)
    model = {
        "name": f"{provider}:test-model", "base_url": server.url if provider == "openai" else server.anthropic_url,
        "api_key_env": "SOME_KEY", "batch": batched, "prices": {"input": 1, "output": 10},
    }  # fmt: skip
    given = {
        "prompts": "prompts.jsonl", "constitution": "words.yaml", "models": {"policy": model}, "responses": 2,
        "strategy": "best-vs-worst", "batch": {"poll": 0.02},
    }  # fmt: skip
    return RunConfig.model_validate(given | settings)


def run(folder: Path, server: Server, provider: str, batched: bool, **settings: Any) -> RunResult:
    config = configured(folder, server, provider, batched, **settings)
    run_folder = RunFolder(folder / "run")
    run_folder.create()
    result = asyncio.run(run_prompts(config, run_folder, PluginHost(), folder))
    write_dataset(run_folder, complete=result.status == "complete")
    return result


def cost(folder: Path) -> float:
    with LedgerView(folder / "run" / "run.db") as view:
        return float(view.one("SELECT sum(cost) FROM calls"))


def left(folder: Path) -> int:
    """Requests of batches that the ledger still waits for."""
    with LedgerView(folder / "run" / "run.db") as view:
        return int(view.one("SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM batch_requests)"))


def data(folder: Path) -> dict[str, str]:
    return fingerprint(folder / "run" / "dataset")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_dataset_at_half_the_price(tmp_path: Path, server: Server, provider: str) -> None:
    direct = run(tmp_path / "direct", server, provider, False)
    server.reset()
    batched = run(tmp_path / "batched", server, provider, True)
    assert data(tmp_path / "batched") == data(tmp_path / "direct")
    assert (batched.pairs, batched.calls_made) == (direct.pairs, direct.calls_made)
    scouts = server.stats()["requests"]
    assert scouts <= 2, "only the first request of each kind is made directly"
    assert cost(tmp_path / "batched") == pytest.approx(cost(tmp_path / "direct") / 2, rel=0.05)
    assert left(tmp_path / "batched") == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_expires_or_meets_an_error_joins_the_next_batch(tmp_path: Path, server: Server, provider: str) -> None:
    run(tmp_path / "direct", server, provider, False)
    server.configure(batch_expired=0.2, batch_500=0.2)
    result = run(tmp_path / "batched", server, provider, True)
    assert server.stats()["batched_twice"] > 5
    assert result.failures == 0
    assert data(tmp_path / "batched") == data(tmp_path / "direct")
    assert left(tmp_path / "batched") == 0


def test_a_refused_request_costs_its_own_prompt_alone(tmp_path: Path, server: Server) -> None:
    server.configure(poison=["item 3 "])
    result = run(tmp_path, server, "openai", True, max_failure_rate=1.0)
    assert (result.failures, result.rejects["request_refused"], result.prompts) == (1, 1, PROMPTS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_that_is_refused_for_one_request_is_halved(tmp_path: Path, server: Server, provider: str) -> None:
    server.configure(batch_poison="item 3 ")
    result = run(tmp_path, server, provider, True, max_failure_rate=1.0)
    assert (result.failures, result.rejects["request_refused"], result.prompts) == (1, 1, PROMPTS)


def test_where_too_much_is_queued_at_the_provider_batches_get_smaller(tmp_path: Path, server: Server) -> None:
    server.configure(batch_limit=10)
    result = run(tmp_path, server, "openai", True, limit=6)
    sizes = server.stats()["batches"]
    assert result.status == "complete"
    assert result.failures == 0
    assert max(sizes) > 10
    assert sum(size > 10 for size in sizes) <= 4, "it is remembered how much was too much"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_after_the_longest_wait_the_rest_is_asked_directly(tmp_path: Path, server: Server, provider: str) -> None:
    run(tmp_path / "direct", server, provider, False)
    server.configure(batch_delay=3600.0)
    run(tmp_path / "batched", server, provider, True, batch={"poll": 0.02, "max_wait": 1e-6})
    assert data(tmp_path / "batched") == data(tmp_path / "direct")
    assert cost(tmp_path / "batched") == pytest.approx(cost(tmp_path / "direct"))


def test_prompts_are_begun_as_their_questions_fit_in_memory(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers to a prompt and two principles are four questions at once: of 32, eight prompts."""
    before = len(server.stats()["batches"])
    monkeypatch.setattr("constitutional.pipeline.driver.WAITING", 32)
    assert run(tmp_path / "default", server, "openai", True).status == "complete"
    assert server.stats()["batches"][before] <= 8 * 2 - 1, "without the first, which is asked directly"
    before = len(server.stats()["batches"])
    assert run(tmp_path / "chosen", server, "openai", True, batch={"poll": 0.02, "prompts": 5}).status == "complete"
    assert server.stats()["batches"][before] <= 5 * 2 - 1


def test_a_budget_of_calls_is_exact_and_its_batch_is_waited_for(tmp_path: Path, server: Server) -> None:
    first = run(tmp_path, server, "openai", True, max_calls=20)
    assert (first.status, first.calls_made) == ("budget", 20)
    assert left(tmp_path) == 0
    assert run(tmp_path, server, "openai", True).status == "complete"
    assert server.stats()["batched_twice"] == 0


def test_a_budget_of_money_keeps_a_batch_small(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("constitutional.models.batches.desk.FEWEST", 4)
    whole = run(tmp_path / "whole", server, "openai", True)
    spent = cost(tmp_path / "whole")
    server.reset()
    result = run(tmp_path / "kept", server, "openai", True, max_cost=spent / 3)
    assert (whole.status, result.status) == ("complete", "budget")
    assert cost(tmp_path / "kept") < spent / 2


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "id_known"), [("openai", True), ("openai", False), ("anthropic", False)])
def test_killed_between_sending_and_collecting_it_asks_nothing_twice(
    tmp_path: Path, server: Server, provider: str, id_known: bool
) -> None:
    """Where the process died before it could write the id down, the batch is found at the provider."""
    calls = run(tmp_path / "direct", server, provider, False, limit=4).calls_made
    server.reset()
    server.configure(batch_delay=1.5)
    before = len(server.stats()["batches"])
    folder = tmp_path / "batched"
    config = configured(folder, server, provider, True, limit=4)
    (folder / "run.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    command = (str(folder / "run.yaml"), "--out", str(folder / "run"))
    process = start("--quiet", *command)
    while not (len(server.stats()["batches"]) > before and waits(folder)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()
    if not id_known:
        with sqlite3.connect(folder / "run" / "run.db") as database:
            assert database.execute("UPDATE batches SET id = NULL").rowcount == 1
    server.configure(batch_delay=0.0)
    result = generate(*command)
    assert result["status"] == "complete"
    assert data(folder) == data(tmp_path / "direct")
    stats = server.stats()
    assert sum(stats["batches"]) + stats["requests"] == calls
    assert left(folder) == 0


def waits(folder: Path) -> bool:
    path = folder / "run" / "run.db"
    if not path.exists() or not path.stat().st_size:
        return False
    with LedgerView(path) as view:
        made = view.one("SELECT 1 FROM sqlite_master WHERE name = 'batches'")
        return bool(made and view.one("SELECT count(*) FROM batches WHERE id IS NOT NULL"))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_server_that_takes_no_batches_is_told_apart_from_a_wrong_address(
    tmp_path: Path, server: Server, provider: str
) -> None:
    server.configure(no_batches=True)
    with pytest.raises(ModelUnavailableError, match=r"takes no batches: leave --batch out, or set `batch: false`"):
        run(tmp_path, server, provider, True)
    assert left(tmp_path) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_plan_says_how_many_batches_are_waited_for_one_after_another(
    tmp_path: Path, server: Server, provider: str
) -> None:
    config = configured(tmp_path, server, provider, True)
    plan = estimate(config, PluginHost(), tmp_path).batches
    assert plan is not None
    run(tmp_path, server, provider, True)
    assert plan.low <= len(server.stats()["batches"]) <= plan.high
    again = estimate(config, PluginHost(), tmp_path, tmp_path / "run" / "run.db").batches
    assert again == (0, 0, plan.at_once), "all of it is in the ledger"
    assert plan.of(plan.at_once + 1) == (2 * plan.low, 2 * plan.high)
    assert estimate(configured(tmp_path, server, provider, False), PluginHost(), tmp_path).batches is None


def test_a_provider_that_is_gone_is_waited_for_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The display says so: hours of "0 of 23 done" look alike."""
    desks: list[Desk] = []

    async def look() -> str | None:
        with serve(batch_delay=3600.0) as gone:
            config = configured(tmp_path, gone, "openai", True)
            folder = RunFolder(tmp_path / "run")
            folder.create()
            stop = Stop()
            task = asyncio.create_task(
                run_prompts(
                    config, folder, PluginHost(), tmp_path, stop=stop, started=lambda state: desks.extend(state.desks)
                )
            )
            while not (desks and any(batch.id for batch in desks[0].batches.values())):
                assert not task.done()
                await asyncio.sleep(0.01)
        while desks[0].trouble is None:
            assert not task.done()
            await asyncio.sleep(0.01)
        stop.ask()
        assert (await task).status == "interrupted"
        return desks[0].trouble

    monkeypatch.setattr("constitutional.models.throttle.FIRST_PAUSE", 0.001)
    assert "connection failed" in str(asyncio.run(look()))


def test_a_model_without_batches_is_told_so(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"models": {"policy": {"name": "scripted:demo", "batch": True}}})
    with pytest.raises(ConfigError, match=r"models\.policy\.batch: scripted:demo has no batches"):
        check(config, PluginHost(), tmp_path)


def test_a_wrong_key_is_known_before_anything_is_sent_in_a_batch(tmp_path: Path, server: Server) -> None:
    before = len(server.stats()["batches"])
    server.configure(refuse_auth=True)
    try:
        with pytest.raises(ModelUnavailableError, match="API key was not accepted"):
            run(tmp_path, server, "openai", True)
    finally:
        server.configure(refuse_auth=False)
    assert len(server.stats()["batches"]) == before
