"""A run with a judge card: refused, accepted, calibrated; and people's labels on the way from a run to its card."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.judge_card import read_card
from tests.cli.conftest import Cli, Outcome
from tests.support import judges

JUDGE = "scripted:tests.support.judges:{}"
GENERATE = ("--prompts", "prompts.jsonl", "--constitution", "good.yaml", "--model", "scripted:tests.support.judges:policy",
            "--responses", "2", "--strategy", "best-vs-worst", "--rounds", "0", "--out", "run")  # fmt: skip


@pytest.fixture
def world(cli: Cli) -> Cli:
    Path("good.yaml").write_text(json.dumps(judges.CONSTITUTION))
    Path("prompts.jsonl").write_text("".join(json.dumps({"prompt": f"Question {n}?"}) + "\n" for n in range(40)))
    return cli


def card(cli: Cli, judge: str, name: str = "card.json", n: int = 80) -> None:
    Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in judges.labelled(n)))
    done = cli("audit", "--labels", "labels.jsonl", "--constitution", "good.yaml", "--attacks", "0", "--judge",
               JUDGE.format(judge), "--out", name, "--quiet")  # fmt: skip
    assert done.code == 0, done.err


def generate(cli: Cli, *more: str, judge: str = "fair") -> Outcome:
    return cli("generate", *GENERATE, "--judge", JUDGE.format(judge), *more)


def rows(folder: str = "run") -> list[dict[str, Any]]:
    import pyarrow.parquet as parquet

    files = sorted(Path(folder, "dataset", "preference").glob("train-*.parquet"))
    return [row for file in files for row in parquet.read_table(file).to_pylist()]


def test_an_unfit_judge_labels_only_where_it_is_accepted_and_the_dataset_says_so(world: Cli) -> None:
    card(world, "longer")
    refused = generate(world, "--judge-card", "card.json", judge="longer")
    assert refused.code == 1
    assert "may not label:" in refused.err
    assert "not shown to be better than counting characters" in refused.err
    assert not Path("run").exists()
    done = generate(world, "--judge-card", "card.json", "--accept-bad-judge", judge="longer")
    assert done.code == 0, done.err
    assert "was found unfit to label and labels all the same" in done.err
    readme = Path("run/dataset/README.md").read_text()
    assert "unfit to label" in readme
    assert "--accept-bad-judge" in readme
    again = world("generate", "run/config.yaml", "--json")
    assert (again.code, again.json["calls_made"]) == (0, 0), again.err


def test_labels_are_calibrated_and_the_raw_value_stays(world: Cli) -> None:
    card(world, "overconfident", n=600)
    assert generate(world, "--out", "plain", judge="overconfident").code == 0
    done = generate(world, "--judge-card", "card.json", judge="overconfident")
    assert done.code == 0, done.err
    calibrator = read_card(Path("card.json")).calibration.calibrator
    before, after = rows("plain"), rows()
    assert before
    assert [row["p_raw"] for row in after] == [row["p_chosen"] for row in before] == [row["p_raw"] for row in before]
    assert [row["p_chosen"] for row in after] == [pytest.approx(calibrator(row["p_raw"])) for row in after]
    assert [row["margin"] for row in after] == [pytest.approx(2 * row["p_chosen"] - 1) for row in after]
    assert all(row["p_chosen"] < row["p_raw"] for row in after)


def test_a_card_can_come_later_and_costs_no_call(world: Cli) -> None:
    card(world, "overconfident")
    assert generate(world, judge="overconfident").code == 0
    done = generate(world, "--judge-card", "card.json", "--json", judge="overconfident")
    assert (done.code, done.json["calls_made"]) == (0, 0), done.err
    assert any(row["p_chosen"] < row["p_raw"] for row in rows())


def test_the_card_of_another_judge_is_refused_with_what_differs(world: Cli) -> None:
    card(world, "fair")
    other = generate(world, "--judge-card", "card.json", judge="first")
    assert other.code == 2
    assert "judge.model.model: scripted:tests.support.judges:fair → scripted:tests.support.judges:first" in other.err
    Path("own.jinja").write_text(
        "Compare.\n# Answer A\n{{ a }}\n# Answer B\n{{ b }}\n{{ shared }}# Principle\n{{ principle.statement }}"
    )
    Path("run.yaml").write_text(
        json.dumps({"judge": {"plugin": "pairwise-logprob", "options": {"template": "own.jinja"}}})
    )
    changed = world("generate", "run.yaml", *GENERATE, "--judge", JUDGE.format("fair"), "--judge-card", "card.json")
    assert changed.code == 2
    assert "judge.options.template: judge/pairwise → own.jinja" in changed.err


def test_another_constitution_is_a_warning(world: Cli) -> None:
    card(world, "fair")
    changed = {**judges.CONSTITUTION, "version": "2", "description": "x"}
    changed["tiers"] = [{"id": "main", "force": "strong", "principles": [{"id": "good", "statement": "It is good."}]}]
    Path("good.yaml").write_text(json.dumps(changed))
    done = generate(world, "--judge-card", "card.json")
    assert done.code == 0, done.err
    assert "the judge card was made with another constitution" in done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such judge card: make one with `constitutional audit`"),
        ("{", "not a judge card: not JSON"),
        ("[]", "not a judge card"),
        ('{"format": 1, "judge": {}, "gate": {}}', "not a judge card as it was made"),
        ('{"format": 9, "judge": {}, "gate": {}}', "a judge card of format 9, this version reads 1"),
    ],
)
def test_a_card_that_is_none(world: Cli, content: str | None, words: str) -> None:
    if content is not None:
        Path("card.json").write_text(content)
    done = generate(world, "--judge-card", "card.json")
    assert (done.code, words in done.err) == (2, True), done.err


def test_a_card_whose_calibration_was_changed_by_hand(world: Cli) -> None:
    card(world, "fair")
    data = json.loads(Path("card.json").read_text())
    data["calibration"] |= {"kind": "temperature", "parameters": [1.0, 2.0], "knots": []}
    Path("card.json").write_text(json.dumps(data))
    done = generate(world, "--judge-card", "card.json")
    assert (done.code, "calibration: temperature" in done.err) == (2, True), done.err


def test_accepting_needs_a_card(world: Cli) -> None:
    done = generate(world, "--accept-bad-judge")
    assert (done.code, "there is no judge card to overrule" in done.err) == (2, True)


def test_how_to_make_a_card_is_said_once_per_run_folder(world: Cli) -> None:
    said = [generate(world).err.count("nobody has measured this judge") for _ in range(2)]
    assert said == [1, 0]
    assert "nobody has measured" not in generate(world, "--out", "other", "--quiet").err
    card(world, "fair")
    assert "nobody has measured" not in generate(world, "--out", "measured", "--judge-card", "card.json").err


def test_from_a_run_to_its_card_by_a_sheet(world: Cli) -> None:
    assert generate(world).code == 0
    drawn = world("sample", "run", "--k", "30", "--by", "random", "--out", "sheet.csv")
    assert drawn.code == 0, drawn.err
    with open("sheet.csv", encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    for row in sheet:
        row["label"] = "a" if judges.quality(row["a"]) > judges.quality(row["b"]) else "b"
        row["a"] = row["a"].replace("\n", "\r\n") + "\r\n"
    with open("sheet.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(sheet[0]))
        writer.writeheader()
        writer.writerows(sheet)
    done = world("audit", "run", "--labels", "sheet.csv", "--attacks", "0")
    assert done.code == 0, done.err
    assert f"0 calls made, {2 * len(sheet)} reused" in done.err
    made = read_card(Path("run/judge-card.json"))
    assert (made.data.of_run, made.data.drawn_by, made.gate.may_label) == (len(sheet), ["random"], True)
    again = generate(world, "--judge-card", "run/judge-card.json", "--json")
    assert (again.code, again.json["calls_made"]) == (0, 0), again.err
    labelled = [row["human_label"] for row in rows() if row["human_label"] is not None]
    assert labelled
    assert set(labelled) <= {0.0, 1.0}
    watched = world("watch", "run", "--json")
    human = {finding["name"]: finding for finding in watched.json}["P and human labels"]
    assert human["n"] == len(labelled)
    assert human["value"] > 0.8
