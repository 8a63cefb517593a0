"""What is wrong on the command line, in a run file or among the prompts is said in a line, with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.cli import COMMANDS, ELSEWHERE
from tests.cli.conftest import GOOD, Cli, generate, put

FROM = (
    "prompts come from a .jsonl, .csv or .parquet file, a saved dataset, a Hub id (user/name), or - for standard input"
)


# --- prompts ----------------------------------------------------------------------------------------------------------


def test_a_prompt_file_that_is_not_there(cli: Cli) -> None:
    assert generate(cli, "--prompts", "nowhere.jsonl", "--out", "run") == (
        2,
        [f"error: nowhere.jsonl: no such file or folder; {FROM}"],
    )
    assert not Path("run").exists()


def test_an_empty_prompt_file(cli: Cli, tmp_path: Path) -> None:
    put(p_jsonl="")
    assert generate(cli, "--prompts", "p.jsonl", "--out", "run") == (
        2,
        [f"error: {tmp_path}/p.jsonl holds no prompts: it is empty"],
    )
    assert not Path("run").exists()


def test_empty_standard_input(cli: Cli) -> None:
    assert generate(cli, "--prompts", "-", "--model", "scripted:demo") == (
        2,
        ["error: standard input holds no prompts: it is empty"],
    )


def test_a_prompt_file_of_an_unknown_kind(cli: Cli, tmp_path: Path) -> None:
    put(p_txt="Hi")
    assert generate(cli, "--prompts", "p.txt") == (
        2,
        [f"error: {tmp_path}/p.txt: unknown kind of file '.txt': use .jsonl, .csv or .parquet"],
    )


def rejects(folder: str) -> list[tuple[str, str, str]]:
    import pyarrow.parquet as parquet

    rows = parquet.read_table(Path(folder) / "dataset/rejects/train-00000-of-00001.parquet").to_pylist()
    return [(row["source"], row["reason"], row["detail"]) for row in rows if row["failure"]]


def test_a_row_without_a_prompt_is_too_many_where_it_is_the_only_one(cli: Cli) -> None:
    put(p_jsonl='{"text": "Hi"}\n')
    made = cli("generate", "--prompts", "p.jsonl", "--out", "run")
    assert (made.code, made.errors) == (3, [])
    assert made.out.splitlines()[:4] == [
        "run: too many failures: 0 prompts, 0 pairs",
        "1 of 1 prompts failed, more than --max-failure-rate 0.1 (bad_row 1)",
        "  no pair: bad_row                  1",
        "    p.jsonl:1: no `prompt` and no `messages`; its fields are: text",
    ]
    assert rejects("run") == [("p.jsonl:1", "bad_row", "no `prompt` and no `messages`; its fields are: text")]


def test_bad_json_on_line_17_of_many_is_recorded_and_the_rest_is_done(cli: Cli) -> None:
    lines = [f'{{"prompt": "Where is parcel {number}?"}}' for number in range(1, 21)]
    lines[16] = '{"prompt": oops}'
    put(p_jsonl="\n".join(lines))
    made = cli("generate", "--prompts", "p.jsonl", "--out", "run", "--json")
    assert (made.code, made.errors) == (0, [])
    assert (made.json["prompts"], made.json["failures"], made.json["rejects"]["bad_row"]) == (19, 1, 1)
    assert made.json["first_failures"] == {"bad_row": "p.jsonl:17: not JSON: Expecting value at column 12"}
    assert rejects("run") == [("p.jsonl:17", "bad_row", "not JSON: Expecting value at column 12")]


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "opanai:gpt"], "no model provider named 'opanai'; did you mean 'openai'?"),
        (
            ["--judge", "pairwise-logprop"],
            "no judge named 'pairwise-logprop'; did you mean 'pairwise-logprob' or 'pairwise-cot'?",
        ),
        (["--strategy", "tournamnet"], "no strategy named 'tournamnet'; did you mean 'tournament'?"),
        (
            ["--constitution", "bse"],
            "no constitution 'bse': neither a file nor a shipped name; did you mean 'base'?",
        ),
        (["--model", "scripted:nowhere:f"], "scripted:nowhere:f: No module named 'nowhere'"),
    ],
)
def test_an_unknown_name(cli: Cli, arguments: list[str], message: str) -> None:
    put(p_jsonl=GOOD)
    code, errors = generate(cli, "--prompts", "p.jsonl", *arguments)
    assert code == (1 if "scripted" in arguments[1] else 2)
    assert errors == [f"error: {message}"]


def test_an_unknown_template(cli: Cli) -> None:
    put(r_yaml="judge: {plugin: pairwise-logprob, options: {template: score/pointwize}}\n")
    assert generate(cli, "r.yaml") == (
        2,
        ["error: no template 'score/pointwize': neither a file nor a shipped name; did you mean 'score/pointwise'?"],
    )


def test_a_template_with_an_undefined_variable(cli: Cli, tmp_path: Path) -> None:
    put(
        r_yaml="judge: {plugin: pairwise-logprob, options: {template: mine.jinja}}\n",
        mine_jinja="Compare.\n{{ principal.statement }}\n",
    )
    assert generate(cli, "r.yaml") == (
        2,
        [f"error: {tmp_path}/mine.jinja:2: unknown variable 'principal'; did you mean 'principle'?"],
    )


def test_an_option_that_a_plugin_does_not_have(cli: Cli) -> None:
    put(r_yaml="judge: {plugin: pairwise-logprob, options: {templte: x}}\n")
    code, errors = generate(cli, "r.yaml")
    assert (code, errors) == (
        2,
        ["error: judge.options.templte: unknown option; did you mean 'template'?"],
    )


# --- files of one's own -----------------------------------------------------------------------------------------------


def test_a_broken_run_file(cli: Cli) -> None:
    put(r_yaml="promts: p.jsonl\nrounds: -1\nmodels:\n  policy: gpt-4o\n")
    assert generate(cli, "r.yaml") == (
        2,
        [
            "error: r.yaml:1:1: promts: unknown key; did you mean 'prompts'?",
            "error: r.yaml:2:1: rounds: input should be greater than or equal to 0",
            "error: r.yaml:4:3: models.policy.name: 'gpt-4o' is not of the form provider:model, for example "
            "openai:gpt-4o-mini",
        ],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rounds: [1\n", "r.yaml:2:1: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("", "r.yaml:1:1: expected a mapping of keys, this is empty"),
        ("- rounds\n", "r.yaml:1:1: expected a mapping of keys, this is a list"),
        ("rounds: 1\nrounds: 2\n", "r.yaml:2:1: rounds: this key is here twice"),
        ("a: &a [*a]\n", "r.yaml: nested too deeply"),
    ],
)
def test_a_run_file_that_is_none(cli: Cli, text: str, message: str) -> None:
    put(r_yaml=text)
    assert generate(cli, "r.yaml") == (2, [f"error: {message}"])


def test_a_run_file_that_is_not_there(cli: Cli) -> None:
    assert generate(cli, "nowhere.yaml") == (2, ["error: nowhere.yaml: no such file"])


def test_a_broken_constitution(cli: Cli, tmp_path: Path) -> None:
    put(c_yaml="name: mine\ntiers:\n  - id: a\n    force: firm\n    principles: [{id: x, statment: y}]\n")
    assert generate(cli, "--constitution", "c.yaml") == (
        2,
        [
            f"error: {tmp_path}/c.yaml:4:5: tiers.0.force: input should be 'hard', 'strong' or 'soft'",
            f"error: {tmp_path}/c.yaml:5:18: tiers.0.principles.0.statement: this key is required",
            f"error: {tmp_path}/c.yaml:5:26: tiers.0.principles.0.statment: unknown key; did you mean 'statement'?",
        ],
    )


# --- flags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--responses", "0"], "error: --responses: input should be greater than or equal to 1"),
        (["--min-margin", "2"], "error: --min-margin: input should be less than or equal to 1"),
        (["--max-failure-rate", "-1"], "error: --max-failure-rate: input should be greater than or equal to 0"),
        (["--price", "free"], "error: --price free: expected two numbers, IN,OUT, per million tokens"),
        (["--price", "1"], "error: --price 1: expected two numbers, IN,OUT, per million tokens"),
        (
            ["--model", "gpt", "--prompts", "-"],
            "error: models.policy.name: 'gpt' is not of the form provider:model, for example openai:gpt-4o-mini",
        ),
        (["--model", "openai:some"], "error: no prompts: give --prompts FILE, or `prompts:` in the run file"),
        (
            ["--responses", "many"],
            "error: Invalid value for '--responses': 'many' is not a valid integer. (see constitutional generate --help)",
        ),
    ],
)
def test_a_bad_value_of_a_flag(cli: Cli, arguments: list[str], message: str) -> None:
    code, errors = generate(cli, *arguments)
    assert (code, errors[-1]) == (2, message)
    assert not Path("runs").exists()


def test_an_unknown_flag_and_an_unknown_command(cli: Cli) -> None:
    code, errors = generate(cli, "--respones", "1")
    assert code == 2
    assert errors[-1].startswith("error: No such option '--respones'.")
    assert "'--responses'" in errors[-1]
    made = cli("generte")
    assert (made.code, made.errors[-1]) == (
        2,
        "error: no command 'generte'; did you mean 'generate'? (see constitutional --help)",
    )


def test_nothing_at_all_is_answered_with_the_help(cli: Cli) -> None:
    for arguments in ((), ("principles",)):
        made = cli(*arguments)
        assert (made.code, made.out) == (2, "")
        assert made.err.startswith("Usage: constitutional")
        assert "error" not in made.err


def test_a_name_from_elsewhere_is_told_what_does_that(cli: Cli) -> None:
    for name, told in ELSEWHERE.items():
        assert name not in COMMANDS
        made = cli(name, "something")
        assert (made.code, made.errors[-1]) == (2, f"error: no command {name!r}: {told} (see constitutional --help)")
        for words in re.findall(r"`constitutional ([a-z]+(?: [a-z]+)?)`", told):
            assert cli(*words.split(), "--help").code == 0


def test_a_tilde_is_the_home_folder_where_no_shell_reads_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("home").mkdir()
    Path("home/p.jsonl").write_text(GOOD)
    put(r_yaml="prompts: ~/p.jsonl\nmodels: {policy: 'scripted:demo'}\nout: ~/runs/shop\n")
    assert cli("generate", "r.yaml").code == 0
    assert cli("generate", "--prompts=~/p.jsonl", "--model", "scripted:demo", "--out=~/runs/flags").code == 0
    assert sorted(path.name for path in Path("home/runs").iterdir()) == ["flags", "shop"]
    assert not Path("~").exists()


def test_a_message_of_many_lines_is_one(cli: Cli) -> None:
    assert (
        cli("export", "runs/shop")
        .errors[-1]
        .startswith("error: Missing option '--format'. Choose from: trl, trl-plain")
    )


def test_a_budget_in_money_needs_a_price(cli: Cli) -> None:
    put(p_jsonl=GOOD)
    assert generate(cli, "--prompts", "p.jsonl", "--model", "openai:gpt-4o-mini", "--max-cost", "1") == (
        2,
        [
            "error: --max-cost needs the price of openai:gpt-4o-mini: give `prices: {input: …, output: …}` per million "
            "tokens under models.policy in the run file, or --price IN,OUT (0,0 for a server of your own)"
        ],
    )


def test_a_paid_model_needs_a_key(cli: Cli) -> None:
    put(p_jsonl=GOOD)
    assert generate(cli, "--prompts", "p.jsonl", "--model", "openai:gpt-4o-mini") == (
        1,
        ["error: openai:gpt-4o-mini: no API key: set OPENAI_API_KEY, or give --base-url for a server that needs none"],
    )
