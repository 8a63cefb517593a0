"""``constitutional evaluate``: what it prints, where it stops, and errors that say what to do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.cli.evaluate.table import table
from constitutional.evaluation.result import Evaluation
from tests.cli.conftest import Cli
from tests.evaluation.planted import CONSTITUTION, named, prompts

ROWS: Sequence[Mapping[str, Any]] = prompts(40)
JUDGED = ("--constitution", "c.yaml", "--judge", named("judge"))
COMMAND = ("evaluate", "--base", named("base"), "--tuned", named("tuned"), "--prompts", "held-out.jsonl", *JUDGED)


@pytest.fixture(autouse=True)
def files(cli: Cli) -> None:
    """In the current folder."""
    Path("c.yaml").write_text(json.dumps(CONSTITUTION))
    Path("held-out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def test_it_says_what_improved_and_fits_in_a_hundred_columns(cli: Cli) -> None:
    done = cli(*COMMAND, "--more", f"shy={named('timid')}", "--quiet")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert "tuned against base" in lines
    assert lines[lines.index("improved") + 1].split()[0] == "win_rate"
    assert "got worse" in lines
    assert any(line.split()[:1] == ["over_refusal"] for line in lines[lines.index("shy against base") :])
    assert max(map(len, lines)) <= 100
    assert Path("evaluation/evaluation.json").is_file()
    assert Path("evaluation/run.db").is_file()


def test_json_is_the_file(cli: Cli) -> None:
    done = cli(*COMMAND, "--json", "--out", "e")
    assert done.json == json.loads(Path("e/evaluation.json").read_text())
    assert "base answers: 40" in done.err


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("violation_rate<0.2", 0, "ok  violation_rate<0.2: violation_rate of tuned is "),
        ("violation_rate<0.2,win_rate>0.9", 1, "NO  win_rate>0.9: win_rate of tuned is "),
        ("violation_rate.high<0.01", 1, "its high end counts"),
        ("violation_rate@base>=0.3", 0, "ok  violation_rate@base>=0.3: violation_rate of base is "),
        ("perplexity<20", 1, "NO  perplexity<20: not measured: no text was given"),
    ],
)
def test_the_gate_sets_the_exit_code(cli: Cli, gate: str, code: int, said: str) -> None:
    done = cli(*COMMAND, "--gate", gate, "--quiet")
    assert done.code == code, done.err
    assert said in done.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--gate", "violaton_rate<1"),
            "--gate, condition 1, 'violaton_rate<1': no measure 'violaton_rate'; did you mean",
        ),
        (("--gate", "empty<1,win_rate"), "--gate, condition 2, 'win_rate': expected MEASURE<NUMBER"),
        (("--gate", "empty<1,"), "--gate, condition 2, '': expected MEASURE<NUMBER"),
        (("--gate", "empty<much"), "--gate, condition 1, 'empty<much': 'much' is no number"),
        (("--gate", "empty@tunde<1"), "no model 'tunde'; did you mean 'tuned'?"),
        (("--gate", "violation_rate/tag:oddd<1"), "did you mean 'violation_rate/tag:odd'"),
        (("--benign", "odf"), "--benign odf: no prompt has this tag; did you mean 'odd'?"),
        (("--more", named("base")), "are the same model"),
        (("--more", f"tuned={named('timid')}"), "another model is called 'tuned' already"),
        (
            ("--tuned", "./models/none"),
            "--tuned: './models/none' is neither a model folder nor of the form provider:model",
        ),
        (("--tuned", "opena:gpt"), "no model provider named 'opena'; did you mean 'openai'?"),
        (("--scorer", "rulez"), "no scorer named 'rulez'; did you mean 'rules'?"),
        (("--scorer", "{plugin: rules"), "--scorer {plugin: rules: not YAML"),
        (("--scorer", "{plugin: rules, option: {}}"), "--scorer {plugin: rules, option: {}}: option: "),
        (("--scorer", "none.yaml"), "--scorer none.yaml: No such file or directory"),
        (("--prompts", "none.jsonl"), "none.jsonl: no such file or folder"),
        (("--reference-text", "none.txt"), "--reference-text none.txt: No such file or directory"),
        (("--judge", "pairwise"), "no judge named 'pairwise'; did you mean"),
        (("--responses", "0"), "--responses: input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_said_before_anything_is_asked(cli: Cli, more: tuple[str, ...], said: str) -> None:
    done = cli(*COMMAND, *more)
    assert done.code == 2, done.out
    assert done.err.startswith("error: ")
    assert said in done.err
    assert not Path("evaluation").exists()


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("--base", "no model to compare with: give --base"),
        ("--tuned", "no model to evaluate: give --tuned"),
        ("--prompts", "no prompts: give held-out ones with --prompts FILE"),
        ("--judge", "critic and judge ask a model, and none is named: give --judge PROVIDER:NAME"),
    ],
)
def test_what_is_missing_is_named(cli: Cli, left_out: str, said: str) -> None:
    place = COMMAND.index(left_out)
    done = cli(*COMMAND[:place], *COMMAND[place + 2 :])
    assert (done.code, said in done.err) == (2, True), done.err


def test_a_dry_run_counts_what_the_real_one_asks(cli: Cli) -> None:
    planned = cli(*COMMAND, "--dry-run", "--json").json
    done = cli(*COMMAND, "--json", "--quiet").json
    # The plan supposes that no two answers are alike.
    assert planned["calls"] == done["usage"]["calls"]
    again = cli(*COMMAND, "--dry-run", "--json").json
    assert (again["calls"], again["known"]) == (0, planned["calls"])


def test_a_budget_ends_it_and_the_same_command_goes_on(cli: Cli) -> None:
    stopped = cli(*COMMAND, "--max-calls", "30")
    assert (stopped.code, stopped.err.splitlines()[-1]) == (1, "error: the budget of 30 calls is used up")
    assert cli(*COMMAND, "--quiet").code == 0


def test_plugins_that_ask_no_model_need_none(cli: Cli) -> None:
    rules = {"plugin": "rules", "options": {"rules": [{"check": "lacks", "pattern": "secret"}]}}
    principle = {"id": "discreet", "statement": "avoid secret", "judge": rules}
    tiers = [{"id": "one", "force": "strong", "principles": [principle | {"critic": {"plugin": "llm"}}]}]
    Path("c.yaml").write_text(json.dumps({"name": "c", "tiers": tiers}))
    place = COMMAND.index("--judge")
    done = cli(*COMMAND[:place])
    assert "critic and judge ask a model, and none is named" in done.err, "the critic asks one still"


def made_run(cli: Cli, **more: str) -> None:
    """Of the same prompts that are evaluated."""
    flags = {"model": named("base"), "judge": named("judge"), "constitution": "c.yaml", "out": "runs/one"} | more
    given = [word for name, value in flags.items() for word in (f"--{name}", value)]
    assert cli("generate", "--prompts", "held-out.jsonl", *given, "--critic", named("judge"), "--quiet").code == 0


def test_of_a_run_everything_but_the_models_is_known(cli: Cli) -> None:
    made_run(cli)
    Path("new.jsonl").write_text("".join(json.dumps({"prompt": f"what about {n}?"}) + "\n" for n in range(12)))
    done = cli("evaluate", "runs/one", "--tuned", named("tuned"), "--prompts", "new.jsonl", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert found["constitution"]["name"] == "discreet"
    assert found["judge"]["model"] == named("judge") == found["critic"]["model"]
    assert [model["model"] for model in found["models"]] == [named("base"), named("tuned")]
    assert found["warnings"] == []
    assert Path("runs/one-evaluation/evaluation.json").is_file()


def test_prompts_that_were_trained_on_are_no_evidence(cli: Cli) -> None:
    made_run(cli)
    done = cli("evaluate", "runs/one", "--tuned", named("tuned"), "--prompts", "held-out.jsonl")
    (warning,) = (line for line in done.err.splitlines() if line.startswith("warning: "))
    assert "of the prompts are among those that the tuned model was trained on (held-out.jsonl:" in warning


def test_the_baseline_is_made_by_the_commands_that_are_named(cli: Cli) -> None:
    done = cli(*COMMAND, "--suggest-baseline")
    lines = [shlex.split(line) for line in done.out.splitlines() if not line.startswith("#")]
    assert [line[1] for line in lines] == ["generate", "export", "train"]
    generate = ["held-out.jsonl" if word == "TRAINING-PROMPTS.jsonl" else word for word in lines[0][1:]]
    assert cli(*generate, "--quiet").code in (0, 1), "no pair is made, and none is wanted"
    assert cli(*lines[1][1:]).out == "judge-answers.jsonl: 40 rows\n"
    row = json.loads(Path("judge-answers.jsonl").read_text().splitlines()[0])
    assert [turn["role"] for turn in (*row["prompt"], *row["completion"])] == ["user", "assistant"]
    assert lines[2][2:5] == ["judge-answers.jsonl", "--stage", "sft"]


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    hostile = "\x1b[2J\u202ebad\nname"
    found = Evaluation(
        constitution={"name": hostile, "version": hostile},
        judge={"plugin": hostile, "model": hostile},
        critic={"plugin": "llm", "model": None},
        prompts=1,
        models=[{"name": "base", "model": hostile}, {"name": "tuned", "model": hostile}],
        measures={},
        comparisons=[],
        rating={},
        about={},
        not_measured={"empty": hostile},
        failures={},
        warnings=[],
        usage={},
    )
    text = "".join(table(found))
    assert "bad" in text
    assert text.isprintable()
