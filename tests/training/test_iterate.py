"""Real rounds on a tiny model: it becomes better, nothing is done twice, and what is killed goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from constitutional.cli.iterate import command, settings_of
from constitutional.errors import ConfigError, PromptFileError, UsageError
from constitutional.ledger import LedgerView
from constitutional.training.iterate import rounds as playing
from constitutional.training.iterate.rounds import RoundFolder, pinned, policy_entry, spent_in
from constitutional.training.run import train
from constitutional.training.settings import TrainSettings
from tests.training.planted import GOOD, pair, write
from tests.training.test_stages import PRINCIPLES

RULES = [{"check": "keywords", "any": [GOOD]}]
PROMPTS = [{"prompt": pair(number)["prompt"][0]["content"]} for number in range(1000, 1080)]
CRITIC = {"when": "", "choose": {"yes": 0.1, "no": 0.9}, "reply": "It is well."}


def run_file(folder: Path, tiny: Path, **changes: Any) -> Path:
    """Answers of the tiny model, compared by rules."""
    folder.mkdir(exist_ok=True)
    (folder / "letters.yaml").write_text(PRINCIPLES)
    write(folder / "critic.jsonl", [CRITIC])
    write(folder / "prompts.jsonl", PROMPTS)
    rules = {"rules": RULES}
    given = {
        "prompts": "prompts.jsonl",
        "constitution": "letters.yaml",
        "models": {
            "policy": {"name": f"transformers:{tiny}", "max_tokens": 12, "options": {"device": "cpu"}},
            "critic": "scripted:critic.jsonl",
        },
        "scorer": {"plugin": "rules", "options": rules},
        "judge": {"plugin": "rules", "options": rules},
        "strategy": "best-vs-worst",
        "responses": 4,
        "rounds": 0,
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(given | changes))
    return path


def iterate(path: Path, out: Path, *more: str) -> Result:
    training = [
        "--lr",
        "1e-3",
        "--batch",
        "16",
        "--micro-batch",
        "16",
        "--max-steps",
        "3",
        "--cpu",
        "--eval-every",
        "20",
    ]
    fixed = ["--measure", "score:rules", "--out", str(out), "--samples", "4", "--held-out-share", "0.4"]
    found = CliRunner().invoke(command, [str(path), "--rounds", "2", *fixed, *training, *more], standalone_mode=False)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def calls(out: Path) -> list[int]:
    """Of each round's run and evaluation."""
    found = []
    for number in (1, 2):
        folder = RoundFolder(out / f"round-{number}")
        for place in (folder.run, folder.evaluation):
            with LedgerView(place.ledger) as view:
                found.append(int(next(view.rows("SELECT count(*) FROM calls"))[0]))
    return found


def second_alone(out: Path) -> int:
    """What the evaluation of the second round asked itself."""
    folder = RoundFolder(out / "round-2")
    return folder.spent()[0] - spent_in(folder.run)[0]


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A tiny model that answers kindly and rudely by turns."""
    folder = tmp_path_factory.mktemp("speaker")
    rows = [
        {"prompt": pair(number)["prompt"], "completion": pair(number)[side]}
        for number in range(150)
        for side in ("chosen", "rejected")
    ]
    made = train(
        TrainSettings(
            source=str(write(folder / "answers.jsonl", rows)), model=str(tiny), out=str(folder / "model"), stages=("sft",),
            sft_lr=5e-3, sft_epochs=6.0, batch=32, micro_batch=32, cpu=True, eval_every=100,
        )
    )  # fmt: skip
    return made.out


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory, speaker: Path) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("rounds")
    path = run_file(folder, speaker)
    found = iterate(path, folder / "out", "--quiet", "--reference", "first")
    assert found.return_value == 0, found.output
    return path, folder / "out"


@pytest.mark.slow
def test_two_rounds_make_a_tiny_model_better(rounds: tuple[Path, Path]) -> None:
    _, out = rounds
    record = json.loads((out / "iterate.json").read_text())
    first, second = record["rounds"]
    assert first["improvement"] > 0.05
    assert second["before"]["value"] == first["after"]["value"]
    assert second["pairs"]["first"] > 0
    assert first["pairs"]["new"] > 30
    best = record["best"]
    assert (out / "best").resolve() == (out / f"round-{best}" / "model").resolve()
    assert (out / "best" / "config.json").is_file()
    assert "score:rules" in (out / "index.html").read_text()
    training = json.loads((out / "round-2" / "model" / "training.json").read_text())
    assert training["settings"]["model"] == "model"
    assert training["settings"]["reference_model"] == "model"


@pytest.mark.slow
def test_rounds_that_are_done_are_not_done_again_and_a_killed_one_goes_on(rounds: tuple[Path, Path]) -> None:
    """As a kill in the evaluation leaves it; a training that is killed has tests of its own."""
    path, out = rounds
    record, made = (out / "iterate.json").read_bytes(), calls(out)
    for left in ("round.json", "evaluation/evaluation.json", "pairs.jsonl"):
        (out / "round-2" / left).unlink()
    assert second_alone(out) < made[3], "the model before was asked by the round before"
    again = iterate(path, out, "--json", "--reference", "first")
    assert json.loads(again.stdout)["status"] == "complete"
    assert (out / "iterate.json").read_bytes() == record
    assert calls(out) == made
    assert "round-2" not in iterate(path, out, "--reference", "first").stderr
    with pytest.raises(UsageError, match=r"changed since:\n  --lr"):
        iterate(path, out, "--reference", "first", "--lr", "5e-4")


@pytest.mark.slow
def test_a_budget_holds_for_all_rounds_and_a_larger_one_goes_on(tmp_path: Path, speaker: Path) -> None:
    path, out = run_file(tmp_path, speaker, max_calls=260), tmp_path / "out"
    found = iterate(path, out, "--quiet")
    assert found.return_value == 1
    record = json.loads((out / "iterate.json").read_text())
    assert (record["status"], record["rounds"]) == ("budget", [])
    folder = RoundFolder(out / "round-1")
    assert folder.spent()[0] == 260
    run_file(tmp_path, speaker, max_calls=2000)
    assert iterate(path, out, "--quiet", "--rounds", "1").return_value == 0
    (one,) = json.loads((out / "iterate.json").read_text())["rounds"]
    assert one["calls"] == folder.spent()[0] > 260


def test_what_cannot_be_meant_is_said(tmp_path: Path, tiny: Path) -> None:
    path = run_file(tmp_path / "here", tiny)
    out = tmp_path / "out"
    for more, said in (
        (("--mix", "1,2,3"), "as in 50,30,20"),
        (("--online-ratio", "2-3"), r"as in 0.25-1"),
        (("--reference", "last"), "reference"),
        (("--measure", "violations"), "violation_rate"),
        (("--measure", "length"), "neither more nor less"),
        (("--beta", "sweep"), "find a beta"),
        (("--loss", "kto", "--reference", "first"), "no other reference"),
        (("--optimizer", "sgdd"), "did you mean 'sgd'"),
    ):  # fmt: skip
        with pytest.raises((ConfigError, LookupError), match=said):
            iterate(path, out, *more)
    with pytest.raises(UsageError, match="cannot be trained here"):
        iterate(run_file(tmp_path / "here", tiny, models={"policy": "openai:gpt-4o"}), out)
    with pytest.raises(PromptFileError, match="some of both"):
        iterate(run_file(tmp_path / "here", tiny, limit=1), out)
    assert not out.exists()


@pytest.mark.slow
def test_a_later_round_with_too_few_pairs_is_the_last(
    tmp_path: Path, speaker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pairs of a run are real, and cut to one: what a model that has learned nearly everything leaves."""
    real = playing.pairs_of

    def few(folder: RoundFolder) -> list[Any]:
        return real(folder)[:1] if folder.path.name == "round-2" else real(folder)

    monkeypatch.setattr(playing, "pairs_of", few)
    out = tmp_path / "out"
    found = iterate(run_file(tmp_path, speaker), out, "--quiet", "--rounds", "2", "--mix", "100,0,0", "--least", "0")
    record = json.loads((out / "iterate.json").read_text())
    assert len(record["rounds"]) == 1
    assert found.return_value == 0
    assert "too few pairs to train on" in record["ended"]


def test_roles_keep_the_model_that_they_begin_with(tmp_path: Path, tiny: Path) -> None:
    """A judge that changed with the policy would label each round by another yardstick."""
    flags = {"rounds": 1, "out": "x", "model": None, "reference": "previous", "mix": "50,30,20", "online_ratio": "1"}
    path = run_file(tmp_path, tiny, models={"policy": {"name": f"transformers:{tiny}", "temperature": 0.7}})
    names = [option.name for option in command.params if option.name not in ("run_file", "as_json", "quiet")]
    given = {name: flags.get(name or "") for name in names} | {"guards": ()}
    run = pinned(settings_of(path, given).run)
    assert {run.models[role].name for role in ("critic", "reviser", "judge", "scorer")} == {f"transformers:{tiny}"}
    assert [run.model_for(role) for role in ("critic", "judge", "scorer")] == ["critic", "judge", "scorer"]
    assert run.models["judge"].temperature is None


def test_the_pocket_model_can_be_what_is_trained(tmp_path: Path) -> None:
    """It is a policy by its name, and what came of it by its folder."""
    path = tmp_path / "run.yaml"
    path.write_text("prompts: p.jsonl\nconstitution: pocket\nmodels: {policy: {name: 'pocket:base', max_tokens: 64}}\n")
    flags = {"rounds": 1, "out": "x", "reference": "previous", "mix": "50,30,20", "online_ratio": "1", "guards": ()}
    names = [option.name or "" for option in command.params if option.name not in ("run_file", "as_json", "quiet")]
    settings = settings_of(path, {name: flags.get(name) for name in names})
    assert settings.model == settings.train.model == "pocket:base"
    assert policy_entry(settings, settings.model).name == "pocket:base"
    later = policy_entry(settings, "/rounds/round-1/model")
    assert (later.name, later.max_tokens) == ("transformers:/rounds/round-1/model", 64)
    assert pinned(settings.run).models["judge"].name == "pocket:base"
