from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli
from tests.support import judges

RUN = ("generate", "run.yaml", "--out", "run")


def given(judge: str, **watch: float) -> None:
    Path("good.yaml").write_text(json.dumps(judges.CONSTITUTION))
    Path("prompts.jsonl").write_text("".join(json.dumps({"prompt": f"Question {n}?"}) + "\n" for n in range(80)))
    models = {role: f"scripted:tests.support.judges:{name}" for role, name in (("policy", "policy"), ("judge", judge))}
    run = {"prompts": "prompts.jsonl", "constitution": "good.yaml", "models": models, "responses": 2, "rounds": 0}
    run |= {"strategy": "best-vs-worst", "watch": watch}
    Path("run.yaml").write_text(json.dumps(run))


def test_a_gamed_judge_is_told_of_at_the_end_of_the_run_on_the_card_and_by_watch(cli: Cli) -> None:
    given("longer")
    done = cli(*RUN)
    assert done.code == 0, done.err
    assert "  watch: P follows length: the longer answer wins, rank correlation +1.00, beyond 0.5" in done.out
    assert "P follows length" in Path("run/dataset/README.md").read_text()
    assert any("P follows length" in warning for warning in json.loads(cli(*RUN, "--json").out)["warnings"])
    watched = cli("watch", "run")
    assert watched.code == 0
    assert "warning: P follows length" in watched.out
    assert "! P and length" in watched.out


def test_thresholds_are_the_run_files(cli: Cli) -> None:
    given("longer", length_correlation=1.0, length_ratio=100.0)
    assert "P follows length" not in cli(*RUN).out
    given("longer", min_pairs=1000)
    assert "watch:" not in cli(*RUN).out
    given("fair", spread=0.5)
    assert "the judge hardly tells answers apart" in cli(*RUN).out


def test_few_comparisons_warn_of_nothing_and_say_so(cli: Cli) -> None:
    given("longer")
    assert cli(*RUN, "--limit", "20").code == 0
    assert "fewer than 50 warn of nothing" in cli("watch", "run").out


def test_a_folder_that_is_no_run(cli: Cli) -> None:
    assert cli("watch", "nowhere").errors == [
        "error: nowhere is no run folder: there is no such folder; `constitutional generate` makes one"
    ]
