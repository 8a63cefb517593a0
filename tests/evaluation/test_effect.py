"""What an evaluation found, on the card of the model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import constitutional
from constitutional.config.run import ModelConfig
from constitutional.errors import UsageError
from constitutional.evaluation.effect import BEGIN, END, write_card
from constitutional.evaluation.result import Evaluation
from constitutional.evaluation.run import evaluate
from constitutional.evaluation.settings import EvaluateSettings
from tests.cli.conftest import Cli, cli
from tests.evaluation.planted import CONSTITUTION, named, prompts

__all__ = ["cli"]
MODEL = Path(constitutional.__file__).parent / "pocket" / "model"
CARD = """---
library_name: transformers
tags:
- rlaif
---

# mine

Trained on a run.

## Data

| what | rows |
| --- | --- |
| read | 9 |
"""


def put(folder: Path) -> None:
    (folder / "c.yaml").write_text(json.dumps(CONSTITUTION))
    (folder / "held-out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts(40)))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("effect")
    put(folder)
    given = {"base": named("base"), "tuned": named("tuned"), "prompts": "held-out.jsonl", "constitution": "c.yaml"}
    models = {"policy": ModelConfig(name=named("judge"))}
    return evaluate(EvaluateSettings(**given, out="out", where=folder, models=models))  # type: ignore[arg-type]


def metadata(text: str) -> dict[str, Any]:
    head: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return head


def test_the_section_stands_before_the_data_and_the_hub_reads_the_figures(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(CARD)
    text = write_card(found, "tuned", path).read_text()
    assert text.index("Trained on a run.") < text.index("## Effect") < text.index("## Data")
    assert "against `" in text
    assert "on 40 held-out prompts, by the constitution" in text
    row = next(line for line in text.splitlines() if line.startswith("| `violation_rate` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    before, after = (found.measure(name, "violation_rate") for name in ("base", "tuned"))
    assert before is not None
    assert after is not None
    assert cells[1:3] == [f"{before.value:.3f}", f"{after.value:.3f}"]
    assert cells[-1] == "improved"
    (entry,) = metadata(text)["model-index"]
    assert (entry["name"], metadata(text)["tags"]) == ("mine", ["rlaif"])
    metrics = {metric["type"]: metric["value"] for metric in entry["results"][0]["metrics"]}
    assert metrics["violation_rate"] == round(after.value, 4)
    assert "win_rate" in metrics
    assert not any("/" in name for name in metrics)


def test_the_hubs_own_library_reads_it(found: Evaluation, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    path = tmp_path / "README.md"
    path.write_text(CARD)
    card = hub.ModelCard.load(write_card(found, "tuned", path))
    assert card.data.model_name == "mine"
    assert {result.task_type for result in card.data.eval_results} == {"text-generation"}


def test_again_it_is_replaced_and_the_rest_stays(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(CARD)
    first = write_card(found, "tuned", path).read_text()
    assert write_card(found, "tuned", path).read_text() == first
    path.write_text(first.replace("Trained on a run.", "My own words.").replace("improved", "once"))
    again = write_card(found, "tuned", path).read_text()
    assert again == first.replace("Trained on a run.", "My own words.")
    assert (again.count(BEGIN), again.count(END), again.count("## Effect")) == (1, 1, 1)


def test_a_card_of_somebody_elses_form(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("Just words.\n")
    text = write_card(found, "tuned", path).read_text()
    assert text.index("Just words.") < text.index("## Effect")
    assert metadata(text)["model-index"][0]["name"] == tmp_path.name
    for head in ("a: [", "- a list"):
        path.write_text(f"---\n{head}\n---\nwords\n")
        with pytest.raises(UsageError, match="its metadata"):
            write_card(found, "tuned", path)
        assert path.read_text().endswith("words\n")


def test_python_writes_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    put(tmp_path)
    folder = Path(shutil.copytree(MODEL, "mine"))
    (folder / "README.md").write_text(CARD)
    (folder / "training.json").write_text("{}")
    given = EvaluateSettings(
        base=named("base"), tuned="mine", prompts="held-out.jsonl", constitution="c.yaml", limit=3, max_tokens=4, out="out",
        models={"policy": ModelConfig(name=named("judge"))},
    )  # fmt: skip
    said: list[str] = []
    evaluate(given, said.append, cards=False)
    assert (folder / "README.md").read_text() == CARD
    evaluate(given, said.append)
    assert "## Effect" in (folder / "README.md").read_text()
    assert [line for line in said if "card" in line] == [f"card: {folder.resolve()}/README.md"]
    (folder / "README.md").write_text("---\na: [\n---\n")
    evaluate(given, said.append)
    assert said[-1].startswith(
        f"warning: the card was left as it is: {folder.resolve()}/README.md: its metadata cannot be read"
    )


def test_the_command_writes_to_the_folder_of_a_training(cli: Cli) -> None:
    """One with a card and a record beside it; what is no such folder, and what is told so, is left alone."""
    pytest.importorskip("transformers")
    put(Path())
    folder = Path(shutil.copytree(MODEL, "mine"))
    command = (
        "evaluate", "--base", named("base"), "--tuned", "mine", "--prompts", "held-out.jsonl", "--limit", "3",
        "--max-tokens", "4", "--constitution", "c.yaml", "--judge", named("judge"), "--quiet",
    )  # fmt: skip
    (folder / "README.md").write_text(CARD)
    done = cli(*command)
    assert (done.code, "card:" in done.err) == (0, False), done.err
    (folder / "training.json").write_text("{}")
    assert "card:" not in cli(*command, "--no-card").err
    assert (folder / "README.md").read_text() == CARD
    assert "card: mine/README.md" in cli(*command).err
    assert "## Effect" in (folder / "README.md").read_text()
    (folder / "README.md").write_text("---\na: [\n---\n")
    done = cli(*command)
    assert (done.code, "warning: the card was left as it is: " in done.err) == (0, True)
