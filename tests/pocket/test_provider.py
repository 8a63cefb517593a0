"""`pocket:` is a provider like any other; what ships behaves as the benchmarks page says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from benchmarks import pocket_base
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.errors import ModelUnavailableError, UnknownNameError
from constitutional.models.local.checkpoint import fingerprint
from constitutional.plugins import PluginHost
from constitutional.pocket.pools import sample
from constitutional.pocket.provider import SHIPPED, folder_of
from constitutional.roles import ModelSetup
from constitutional.training.trainers.policy import Start


def test_it_is_registered_and_its_identity_is_what_is_in_the_folder() -> None:
    model = PluginHost().get("model", "pocket").factory(ModelSetup("pocket", "base", None))
    assert model.id == "pocket:base"
    assert model.identity == {"model": "pocket:base", "revision": fingerprint(SHIPPED)}
    asyncio.run(model.aclose())


def test_what_ships_is_small() -> None:
    assert (SHIPPED / "model.safetensors").stat().st_size < 2_100_000
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 2_300_000


def test_a_name_that_is_none_and_a_seed_that_was_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UnknownNameError, match="no pocket model named 'bse'; did you mean 'base'"):
        folder_of("bse")
    with pytest.raises(ModelUnavailableError, match="constitutional demo --from-scratch --seed 3 does it"):
        folder_of("seed-3")


def test_training_takes_it_by_the_same_name() -> None:
    start = Start.of("pocket:base")
    assert (start.path, start.name, start.adapter) == (str(SHIPPED), "pocket:base", None)
    assert start.version() == fingerprint(SHIPPED)


@pytest.mark.slow
def test_an_answer_depends_on_its_seed_and_not_on_who_asks_beside_it() -> None:
    async def ask(count: int) -> list[str]:
        model = PluginHost().get("model", "pocket").factory(ModelSetup("pocket", "base", None))
        requests = [
            ChatRequest(question.messages, Sampling(1.0, max_tokens=64, seed=at))
            for at, question in enumerate(sample("held-out", count))
        ]
        try:
            return [reply.text for reply in await asyncio.gather(*(model.chat(request) for request in requests))]
        finally:
            await model.aclose()

    alone, among = asyncio.run(ask(3)), asyncio.run(ask(20))
    assert among[:3] == alone


@pytest.mark.slow
def test_what_ships_misbehaves_and_knows_it() -> None:
    """Its four jobs, at a tenth of the benchmark's size: with room for chance under the bars that the benchmark holds."""
    shares = {name: row["value"] for name, row in pocket_base.measure(SHIPPED, 60, seed=3).items()}
    assert shares["an answer violates a principle"] > 0.3
    assert shares["a critique's verdict is right"] > 0.95
    assert shares["a revision is clean"] > 0.9
    assert shares["the judge is right, over both"] > 0.9
