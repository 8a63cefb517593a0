"""One run file, four ways: here, interrupted again and again, by batches, on Ray. One dataset."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from tests.pipeline.test_batch_run import configured
from tests.support.kills import kill_after
from tests.support.processes import fingerprint, generate
from tests.support.server import serve


@pytest.mark.slow
def test_local_interrupted_batched_and_on_ray_it_is_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "x")
    with serve(latency=0.01) as server:
        config = configured(tmp_path, server, "openai", False, concurrency=8)
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))

        def command(name: str, *more: str) -> tuple[str, ...]:
            return (str(tmp_path / "run.yaml"), "--out", str(tmp_path / name), *more)

        local = generate(*command("local"))
        assert local["pairs"] > 0
        wanted = fingerprint(tmp_path / "local" / "dataset")
        server.reset()

        kills = [kill_after(server, local["calls_made"] // 4, command("killed")) for _ in range(2)]
        assert any(kills), "no kill hit a run that was still going"
        generate(*command("killed"))
        assert fingerprint(tmp_path / "killed" / "dataset") == wanted

        generate(*command("batched", "--batch"))
        assert server.stats()["batches"]
        assert fingerprint(tmp_path / "batched" / "dataset") == wanted

        if importlib.util.find_spec("ray") is None:
            pytest.skip("ray is not installed: the other three agree")
        ray = generate(*command("ray", "--engine", "ray", "--replicas", "2"))
        assert ray["calls_made"] == local["calls_made"]
        assert fingerprint(tmp_path / "ray" / "dataset") == wanted
