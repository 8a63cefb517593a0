"""Each guard in real trainings: fired by a fault that was planted, quiet where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from constitutional.training.guards.spec import GUARDS
from constitutional.training.run import TrainResult, train
from constitutional.training.settings import TrainSettings
from tests.training.planted import answer, pair, write

pytestmark = pytest.mark.slow

LOOP = [{"role": "assistant", "content": "kind and kind and " * 8}]
WARN = ("kl=warn", "nan=warn")


def settings(out: Path, model: Path, rows: list[dict[str, Any]], **changes: Any) -> TrainSettings:
    """Fourteen steps, with a look at every fourth."""
    data = out.with_name(f"{out.name}-data")
    write(data / "preference" / "train.jsonl", rows)
    given: dict[str, Any] = {
        "source": str(data), "model": str(model), "out": str(out), "lr": 3e-4, "micro_batch": 16, "batch": 16,
        "epochs": 2.0, "seed": 3, "cpu": True, "eval_every": 4, "samples": 8, "sample_tokens": 40,
    }  # fmt: skip
    return TrainSettings(**(given | changes))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A model that answers as the data does, and now and then goes round in a loop."""
    folder = tmp_path_factory.mktemp("base")
    rows = [answer(number) | ({} if number % 10 else {"completion": LOOP}) for number in range(120)]
    data = write(folder / "data.jsonl", rows)
    made = train(
        TrainSettings(
            source=str(data), model=str(tiny), out=str(folder / "base"), stages=("sft",), sft_lr=3e-3, sft_epochs=5.0,
            micro_batch=16, batch=16, cpu=True,
        )
    )  # fmt: skip
    return made.out


def fired(result: TrainResult) -> set[str]:
    return {guard["guard"] for guard in result.record["stages"][-1]["guards"]}


def rows_of(result: TrainResult) -> dict[str, list[str]]:
    """The table of the guards: name → action, threshold, worst, fired."""
    (table,) = [table for table in result.record["stages"][-1]["tables"] if table["head"][0] == "guard"]
    return {row[0]: row[2:] for row in table["rows"]}


PAIRS = [pair(number) for number in range(120)]


def test_a_healthy_training_is_quiet_and_samples_leave_it_alone(tmp_path: Path, base: Path) -> None:
    said: list[str] = []
    made = train(settings(tmp_path / "with", base, PAIRS), said.append)
    assert (made.status, fired(made)) == ("complete", set())
    assert not any("guard" in line for line in said)
    rows = rows_of(made)
    assert set(rows) == set(GUARDS)
    assert {row[3] for row in rows.values()} == {"quiet"}, "and every one of them has measured something"
    lines = [json.loads(line) for line in (made.out / "log.jsonl").read_text().splitlines()]
    divergence = {line["step"]: line["kl"] for line in lines if "kl" in line}
    assert list(divergence) == [line["step"] for line in lines if "eval_loss" in line]
    assert divergence[0] == 0.0
    assert 0 < divergence[14] < 5
    without = train(settings(tmp_path / "without", base, PAIRS, samples=0))
    assert {name for name, row in rows_of(without).items() if row[3] == "not measured"} == {
        "kl",
        "length",
        "repetition",
    }
    one, other = (load_file(folder / "model.safetensors") for folder in (made.out, without.out))
    assert all(torch.equal(one[name], other[name]) for name in one)
    card = (made.out / "README.md").read_text()
    assert "## Guards of `dpo`" in card
    assert "| kl | KL divergence from the reference, in nats per answer | stop | 20 |" in card


def test_a_rate_that_is_too_high_leaves_the_reference_and_sinks_both(tmp_path: Path, base: Path) -> None:
    made = train(settings(tmp_path / "out", base, PAIRS, lr=1e-2, guards=WARN))
    assert made.status == "complete"
    assert {"kl", "sinking"} <= fired(made)


def test_a_guard_that_stops_leaves_a_finished_folder_that_says_why(tmp_path: Path, base: Path) -> None:
    said: list[str] = []
    wanted = settings(tmp_path / "out", base, PAIRS, lr=1e-2, guards=("kl=stop:2",))
    made = train(wanted, said.append)
    (stage,) = made.record["stages"]
    assert (made.status, stage["steps"]) == ("stopped", 5)
    assert stage["stopped"].startswith("guard kl: KL to the reference ")
    assert any(line.startswith("guard kl at step 4: ") and line.endswith("the training ends here") for line in said)
    assert f"Ended early: {stage['stopped']}." in (made.out / "README.md").read_text()
    assert (made.out / "model.safetensors").is_file()
    assert not (tmp_path / "out.part").exists()
    assert train(wanted).status == "done"


def test_no_stage_comes_after_one_that_a_guard_stopped(tmp_path: Path, base: Path) -> None:
    wanted = settings(tmp_path / "out", base, PAIRS, stages=("sft", "dpo"), sft_lr=1e9, guards=("nan=stop",))
    write(Path(wanted.source) / "sft" / "train.jsonl", [answer(number) for number in range(80)])
    made = train(wanted)
    (stage,) = made.record["stages"]
    assert (made.status, stage["stage"]) == ("stopped", "sft")
    assert stage["stopped"].startswith("guard nan: ")


def test_answers_that_grow_and_repeat_themselves(tmp_path: Path, base: Path) -> None:
    """The pairs prefer the loop."""
    rows = [row | {"chosen": LOOP, "rejected": row["chosen"]} for row in PAIRS]
    made = train(settings(tmp_path / "out", base, rows, lr=1e-3))
    assert {"length", "repetition"} <= fired(made)


def test_what_is_learned_does_not_hold_elsewhere(tmp_path: Path, base: Path) -> None:
    """The labels of the held-out pairs are those of another judge."""
    wanted = settings(tmp_path / "out", base, PAIRS)
    write(Path(wanted.source) / "preference" / "test.jsonl", [pair(n, flipped=True) for n in range(120, 140)])
    assert fired(train(wanted)) == {"memorising"}


def sabotage(monkeypatch: pytest.MonkeyPatch, harm: Any) -> None:
    """``harm(trainer, inputs, compute)`` stands in for the loss of a training step; evaluations are spared."""
    from constitutional.training.trainers.preference import PreferenceTrainer

    original = PreferenceTrainer._compute_loss

    def broken(self: Any, model: Any, inputs: Any, return_outputs: bool = False) -> Any:
        def compute() -> Any:
            return original(self, model, inputs, return_outputs)

        return harm(self, inputs, compute) if self.model.training else compute()

    monkeypatch.setattr(PreferenceTrainer, "_compute_loss", broken)


def test_a_margin_that_collapses(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def turn(trainer: Any, inputs: Any, compute: Any) -> Any:
        if trainer.state.global_step >= 5:
            inputs["p"] = 1 - inputs["p"]
        return compute()

    sabotage(monkeypatch, turn)
    made = train(settings(tmp_path / "out", base, PAIRS, epochs=3.0, lr=1e-3, guards=WARN))
    assert "margin" in fired(made)


def test_a_step_without_a_number_is_not_taken(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def broken(trainer: Any, inputs: Any, compute: Any) -> Any:
        step = trainer.state.global_step
        seen[step] = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
        return compute() * (torch.nan if step == 3 else 1)

    sabotage(monkeypatch, broken)
    made = train(settings(tmp_path / "out", base, PAIRS, guards=("nan=warn",)))
    assert (made.status, fired(made), sorted(seen)) == ("complete", {"nan"}, list(range(14)))
    before, after, later = seen[3], seen[4], seen[5]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(before[name], later[name]) for name in before)
    assert all(weight.isfinite().all() for weight in load_file(made.out / "model.safetensors").values())
    stopped = train(settings(tmp_path / "stopped", base, PAIRS))
    (stage,) = stopped.record["stages"]
    assert (stopped.status, stage["steps"]) == ("stopped", 5)
    assert stage["stopped"] == "guard nan: loss is nan and grad_norm is nan"


def test_a_gradient_that_spikes(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spike(trainer: Any, inputs: Any, compute: Any) -> Any:
        return compute() * (1000 if trainer.state.global_step == 12 else 1)

    sabotage(monkeypatch, spike)
    made = train(settings(tmp_path / "out", base, PAIRS))
    assert fired(made) == {"spike"}
    assert rows_of(made)["spike"][3] == "step 13, 1×"
