"""The page of a real run, and of folders as `train` and `evaluate` write them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from constitutional.config.judge_card import Bin, Calibration, Fit, Measured
from constitutional.errors import LedgerError, UsageError
from constitutional.pipeline.opened import open_run
from constitutional.report.build import parts_of
from constitutional.report.figures import Part, as_json
from constitutional.report.of_run import survey
from constitutional.report.of_training import thinned
from constitutional.report.page import report_page
from constitutional.report.png import write_pngs
from constitutional.report.spending import Spending, spending
from tests.audit.test_card import a_card
from tests.plots.test_page import seen
from tests.support.datasets import TIERS, made
from tests.support.runs import Run, World, run

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    made(place)
    return place / "run"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("again"))


def figure(part: Part, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in as_json([part])[0]["figures"] if one["name"] == name]
    assert len(found) == 1
    return found[0]


def test_every_prompt_is_somewhere_in_the_flow(folder: Path, done: Run) -> None:
    (part,) = parts_of([folder])
    rows = [(start, end, int(count)) for start, end, count in figure(part, "flow")["rows"]]
    into: dict[str, int] = {}
    out: dict[str, int] = {}
    for start, end, count in rows:
        out[start] = out.get(start, 0) + count
        into[end] = into.get(end, 0) + count
    assert into["prompts"] == len(done.traces)
    assert into["pair"] == sum(bool(trace.pairs) for trace in done.traces)
    assert all(out[name] == count for name, count in into.items() if name in out)
    assert out["lines read"] == len(done.traces) + len(done.bad_rows)


def test_a_run_over_fewer_prompts_is_told_of_as_its_dataset_is(tmp_path: Path) -> None:
    made(tmp_path, ["a rude word", "another rude word", {"prompt": ""}])
    made(tmp_path, ["a rude word"])
    with open_run(tmp_path / "run") as opened:
        found = survey(opened)
    assert (found.tally.prompts, found.tally.pairs, sum(found.tally.rejects.values())) == (1, 1, 0)


def test_counts_are_those_of_the_traces(folder: Path, done: Run) -> None:
    with open_run(folder) as opened:
        found = survey(opened)
    pairs = [pair for trace in done.traces for pair in trace.pairs]
    assert (found.tally.pairs, sum(found.p_chosen.values()), sum(found.margins.values())) == (len(pairs),) * 3
    critiques = [c for trace in done.traces for c in trace.critiques if c.response_id.endswith(".0")]
    bad = found.principles["bad"]
    assert bad.checked == sum(c.principle_id == "bad" for c in critiques)
    assert bad.violated_before == sum(c.principle_id == "bad" and bool(c.violates) for c in critiques) > 0
    assert bad.violated_after == 0
    verdicts = [j for trace in done.traces for j in trace.judgements]
    assert sum(sum(own.values()) for own in found.offsets.values()) == len(verdicts)


def test_principles_that_take_opposite_sides_are_counted_both_ways(folder: Path) -> None:
    with open_run(folder) as opened:
        found = survey(opened)
        again = survey(opened)
    assert found.both == again.both
    assert all(found.both[one, other] == found.both[other, one] for one, other in found.both)
    assert all(found.against[key] <= count for key, count in found.both.items())


def test_two_principles_at_odds(tmp_path: Path) -> None:
    """The judge says of `long` the opposite of what it says of `rude`."""

    def prefer(a: str, b: str, word: str) -> float:
        p = 0.9 if len(a) < len(b) else 0.1
        return p if word == "rude" else 1 - p

    run(tmp_path, ["some rude word"], *TIERS, world=World(prefer=prefer))
    with open_run(tmp_path / "run") as opened:
        found = survey(opened)
    assert (found.both["rude", "long"], found.against["rude", "long"]) == (1, 1)


def test_what_it_cost_is_what_the_ledger_holds(folder: Path) -> None:
    with open_run(folder) as opened:
        found = spending(opened.view)
        calls, tokens = next(opened.view.rows("SELECT count(*), sum(prompt_tokens) FROM calls"))
    assert (found.calls, found.tokens[0]) == (calls, tokens)
    assert sum(moment.calls for moment in found.moments) == calls


def test_a_pause_of_days_is_no_part_of_the_throughput(folder: Path, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    shutil.copy(folder / "run.db", tmp_path / "run.db")
    connection = sqlite3.connect(tmp_path / "run.db")
    ids = [key for (key,) in connection.execute("SELECT key FROM calls ORDER BY key")]
    for place, key in enumerate(ids):
        connection.execute(
            "UPDATE calls SET at=? WHERE key=?", (place + (200_000 if place >= len(ids) / 2 else 0), key)
        )
    connection.commit()
    connection.close()
    with open_run(tmp_path) as opened:
        found: Spending = spending(opened.view)
    assert found.worked < 0.1 * 200_000
    assert sum(moment.calls for moment in found.moments) == len(ids)


def test_the_page_is_one_file_that_asks_nobody_and_runs_nothing(folder: Path) -> None:
    page = report_page(parts_of([folder]), version="1", when="now")
    found = seen(page)
    assert "script" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on") or name in ("src", "href=http")]
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "Content-Security-Policy" in page
    assert page.count("<svg") == sum(bool(f.plot) for p in parts_of([folder]) for s in p.sections for f in s.figures)


def test_hostile_text_is_text(tmp_path: Path) -> None:
    evaluation = {
        "format": 1,
        "constitution": {"name": HOSTILE, "version": HOSTILE},
        "models": [{"name": HOSTILE, "model": HOSTILE}],
        "measures": {HOSTILE: {"violation_rate": {"value": 0.1, "low": 0.0, "high": 0.2, "n": 3}}},
        "comparisons": [
            {"measure": HOSTILE, "difference": 0.1, "low": 0, "high": 1, "p_value": 0.1, "verdict": HOSTILE}
        ],
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    page = report_page(parts_of([tmp_path]), version="1", when="now")
    found = seen(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert "\x1b" not in page
    assert "\u202e" not in page


def evaluation(folder: Path) -> Path:
    def measured(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 40}

    models = {"base": 0.4, "tuned": 0.1}
    names = ("violation_rate", "over_refusal", "violation_rate/principle:kind", "length", "score:rules")
    found = {
        "format": 1,
        "constitution": {"name": "tiny", "version": "1"},
        "prompts": 40,
        "models": [{"name": name, "model": f"pocket:{name}"} for name in models],
        "measures": {name: {key: measured(value) for key in names} for name, value in models.items()},
        "comparisons": [
            {"model": "tuned", "against": "base", "measure": "violation_rate", "difference": -0.3, "low": -0.4,
             "high": -0.2, "p_value": 0.0001, "verdict": "improved"},
        ],
        "gate": [{"measure": "violation_rate", "passed": True}],
    }  # fmt: skip
    folder.mkdir()
    (folder / "evaluation.json").write_text(json.dumps(found))
    return folder


def training(folder: Path) -> Path:
    folder.mkdir()
    log = [{"stage": "dpo", "step": step, "loss": 1 / step} for step in range(1, 1001)]
    log += [{"stage": "dpo", "step": step, "eval_loss": 2 / step} for step in (500, 1000)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log) + '{"stage": "dp')
    stage = {"stage": "dpo", "steps": 1000, "rows": 10, "before": {"loss": 1.0}, "after": {"loss": 0.5}, "notes": []}
    record = {"settings": {"model": "tiny", "loss": "dpo"}, "notes": ["a note"], "stages": [stage]}
    (folder / "training.json").write_text(json.dumps(record))
    return folder


def test_an_evaluation_and_a_training_stand_on_the_same_page(tmp_path: Path, folder: Path) -> None:
    parts = parts_of([folder, evaluation(tmp_path / "eval"), training(tmp_path / "trained")])
    assert [part.kind for part in parts] == ["run", "evaluation", "training"]
    difference = figure(parts[1], "differences")["rows"]
    assert difference == [["violation rate", "-0.300", "-0.400 to -0.200", "< 0.001", "✓ improved"]]
    assert figure(parts[1], "by-principle")["rows"][0][:3] == ["kind", "base", "0.400"]
    curve = figure(parts[2], "dpo-loss")
    assert curve["head"] == ["step", "training", "held out"]
    assert len(curve["rows"]) <= 26
    assert parts[2].notes == ("a note",)
    assert report_page(parts, version="1", when="now").count("<h2>") == 3


def test_a_judge_card_beside_the_run_brings_its_calibration(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "run")
    (without,) = parts_of([tmp_path / "run"])
    assert any("Nobody has measured this judge" in note for note in without.notes)
    number = Measured(value=0.1, low=0.0, high=0.2, n=20)
    fit = Fit(ece=number, brier=number, log_loss=number, bins=[Bin(said=0.6, so=0.7, count=12)])
    card = a_card().model_copy(update={"calibration": Calibration(before=fit, after=fit)})
    (tmp_path / "run" / "judge-card.json").write_text(card.dump())
    (part,) = parts_of([tmp_path / "run"])
    assert [row[1:] for row in figure(part, "calibration")["rows"]] == [["0.600", "0.700", "12"]] * 2
    assert not any("Nobody" in note for note in part.notes)


def test_plots_as_pictures(tmp_path: Path, folder: Path) -> None:
    written = write_pngs(parts_of([folder]), tmp_path / "png")
    assert {"flow.png", "violations.png", "tokens.png"} <= {path.name for path in written}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_a_curve_is_thinned_to_means_of_neighbours() -> None:
    points = [(float(step), float(step)) for step in range(1, 101)]
    few = thinned(points, 10)
    assert few == [(float(end), end - 4.5) for end in range(10, 101, 10)]
    assert thinned(points, 200) == points


def test_what_is_no_run_says_what_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        parts_of([tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="no run"):
        parts_of([tmp_path])
    (tmp_path / "evaluation.json").write_text('{"format": 7}')
    with pytest.raises(LedgerError, match="format is 7"):
        parts_of([tmp_path])
