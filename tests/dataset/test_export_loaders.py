"""What is exported is taken by the consumers' own code, without a step in between: TRL's trainers and Argilla's reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from constitutional.cli.export import command
from tests.support.datasets import made, rows_of
from tests.support.runs import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two answers a prompt, scored: every format has rows."""
    folder = tmp_path_factory.mktemp("loaders")
    world = World(respond=lambda question, sample: question if sample else f"{question} and rude too")
    made(folder, world=world, strategy="best-vs-worst", responses=2, test_fraction=0.0)
    return folder / "run"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("trl")
    from tests.support.tiny_model import make_tiny_model

    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder.mkdir()
    return str(make_tiny_model(folder))


def exported(source: Path, name: str, out: Path) -> Path:
    arguments = [str(source), "--format", name, "--out", str(out)]
    CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    return out


def arguments_of(kind: Any, folder: Path, **more: Any) -> Any:
    common = {"output_dir": str(folder), "max_steps": 1, "per_device_train_batch_size": 2, "report_to": "none",
              "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "save_strategy": "no",
              "disable_tqdm": True, "max_length": 128}  # fmt: skip
    return kind(**common, **more)


def loaded(source: Path, name: str, folder: Path, suffix: str = "jsonl") -> Any:
    from datasets import load_dataset

    path = exported(source, name, folder / f"{name}.{suffix}")
    kind = "json" if suffix == "jsonl" else "parquet"
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(folder / "cache"))


def trained(trainer: Any) -> float:
    return float(trainer.train().training_loss)


@pytest.mark.parametrize(("name", "suffix"), [("trl", "jsonl"), ("trl-plain", "parquet")])
def test_dpo_trainer_takes_preferences(source: Path, model: str, name: str, suffix: str, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    rows = loaded(source, name, tmp_path, suffix)
    trainer = DPOTrainer(model, args=arguments_of(DPOConfig, tmp_path / "out"), train_dataset=rows)
    assert trainer.train_dataset.num_rows == rows.num_rows > 4
    assert trained(trainer) == pytest.approx(0.6931, abs=1e-3), "the policy is the reference"


def test_dpo_trainer_takes_our_own_subset(source: Path, model: str, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer

    rows = load_dataset(str(source / "dataset"), "preference", split="train", cache_dir=str(tmp_path / "cache"))
    trainer = DPOTrainer(model, args=arguments_of(DPOConfig, tmp_path / "out"), train_dataset=rows)
    assert trained(trainer) == pytest.approx(0.6931, abs=1e-3)


@pytest.mark.parametrize("name", ["trl", "trl-rewards"])
def test_reward_trainer_takes_preferences_with_and_without_margin(
    source: Path, model: str, name: str, tmp_path: Path
) -> None:
    from trl import RewardConfig, RewardTrainer

    rows = loaded(source, name, tmp_path)
    trainer = RewardTrainer(model, args=arguments_of(RewardConfig, tmp_path / "out"), train_dataset=rows)
    batch = next(iter(trainer.get_train_dataloader()))
    assert ("margin" in batch) == (name == "trl-rewards")
    assert trained(trainer) > 0


def test_kto_trainer_takes_labelled_answers(source: Path, model: str, tmp_path: Path) -> None:
    from trl import KTOConfig, KTOTrainer

    rows = loaded(source, "kto", tmp_path)
    assert {True, False} == set(rows["label"])
    trainer = KTOTrainer(model, args=arguments_of(KTOConfig, tmp_path / "out"), train_dataset=rows)
    assert trained(trainer) > 0


def test_sft_trainer_takes_revisions_and_learns_the_answers_alone(source: Path, model: str, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = loaded(source, "sft", tmp_path)
    trainer = SFTTrainer(model, args=arguments_of(SFTConfig, tmp_path / "out"), train_dataset=rows)
    labels = next(iter(trainer.get_train_dataloader()))["labels"]
    assert (labels == -100).any(), "the prompt is not learnt"
    assert trained(trainer) > 0


@pytest.fixture
def argilla_server() -> Iterator[str]:
    """As much of a server as Argilla's client asks for before it reads a dataset from disk: who am I?"""
    stamp = "2026-01-01T00:00:00"
    me = {"id": "00000000-0000-0000-0000-000000000001", "username": "me", "role": "owner", "first_name": "Me",
          "last_name": None, "inserted_at": stamp, "updated_at": stamp}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(me).encode()
            self.send_response(200 if self.path == "/api/v1/me" else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_argilla_reads_settings_and_records(source: Path, argilla_server: str, tmp_path: Path) -> None:
    rg = pytest.importorskip("argilla")
    from argilla.datasets._io._disk import DiskImportExportMixin
    from argilla.records._io import JsonIO

    out = exported(source, "argilla", tmp_path / "to-label")
    rg.Argilla(api_url=argilla_server, api_key="none")
    dataset_path, settings_path, records_path = DiskImportExportMixin._define_child_paths(out)
    assert DiskImportExportMixin._load_dataset_model(dataset_path).name == "to-label"
    settings = rg.Settings.from_json(settings_path)
    settings.validate()
    records = JsonIO._records_from_json(records_path)
    rows = {row["id"]: row for row in rows_of(source)}
    assert {record.id for record in records} == set(rows)
    for record in records:
        row, (suggestion,) = rows[record.id], list(record.suggestions)
        suggested = record.fields["answer_a" if suggestion.value == "a" else "answer_b"]
        assert suggested == row["chosen"][0]["content"]
        assert suggestion.score == row["p_chosen"]
        assert set(record.fields.to_dict()) == {"prompt", "answer_a", "answer_b"}
    sides = {suggestion.value for record in records for suggestion in record.suggestions}
    assert sides == {"a", "b"}, "the place of an answer does not give the label away"
