"""Exports hold every row or say why not, are what each consumer documents, and are the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from constitutional.cli.export import NAMES, command
from constitutional.dataset.answers import write_answers
from constitutional.dataset.export import FORMATS
from constitutional.errors import UsageError
from tests.support.datasets import made, rows_of

MESSAGE = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"enum": ["system", "user", "assistant"]}, "content": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
ANSWER = {"allOf": [MESSAGE, {"properties": {"role": {"const": "assistant"}}}]}
ONE_ANSWER = {"type": "array", "items": ANSWER, "minItems": 1, "maxItems": 1}
DIALOGUE = {"type": "array", "items": MESSAGE, "minItems": 1}
TURN = {
    "type": "object",
    "required": ["from", "value"],
    "properties": {"from": {"enum": ["human", "gpt", "system"]}, "value": {"type": "string"}},
    "additionalProperties": False,
}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": list(properties), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


DOCUMENTED = {
    "openai": closed(
        input=closed(messages=DIALOGUE, tools={"const": []}, parallel_tool_calls={"type": "boolean"}),
        preferred_output=ONE_ANSWER,
        non_preferred_output=ONE_ANSWER,
    ),
    "axolotl": closed(messages=DIALOGUE, chosen=ANSWER, rejected=ANSWER),
    "llama-factory": closed(conversations={"type": "array", "items": TURN}, chosen=TURN, rejected=TURN),
    "openrlhf": closed(prompt=DIALOGUE, chosen=ONE_ANSWER, rejected=ONE_ANSWER, margin={"type": "number"}),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    made(folder)
    return folder / "run"


def exported(source: Path, name: str, out: Path, *more: str) -> Result:
    return invoke(str(source), "--format", name, "--out", str(out), *more)


def invoke(*arguments: str) -> Result:
    """As ``main`` calls it: errors come out, and what it returns is the exit code."""
    return CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def out_of(name: str, folder: Path) -> Path:
    return folder / (name if FORMATS[name].folder else f"{name}.jsonl")


def files(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {path.name: path.read_bytes()}
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == NAMES


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "trl-rewards"])
def test_every_row_is_written_or_counted_and_twice_gives_the_same_bytes(
    source: Path, name: str, tmp_path: Path
) -> None:
    split = ["--split", "all"]
    done = exported(source, name, out_of(name, tmp_path), *split, "--json")
    assert done.return_value == 0
    said = json.loads(done.stdout)
    assert said["rows"] + sum(said["left_out"].values()) == len(rows_of(source, FORMATS[name].subset)) > 8
    assert said["rows"] > 0
    for reason, count in said["left_out"].items():
        assert f"left out: {count} rows: {reason}" in done.stderr
    (tmp_path / "again").mkdir()
    exported(source, name, out_of(name, tmp_path / "again"), *split)
    first, second = (files(out_of(name, folder)) for folder in (tmp_path, tmp_path / "again"))
    assert first == second
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_rows_are_as_the_consumer_documents_them(source: Path, name: str, tmp_path: Path) -> None:
    exported(source, name, out_of(name, tmp_path), "--split", "all")
    written = out_of(name, tmp_path)
    data = [written] if written.is_file() else sorted(written.glob("*.jsonl"))
    rows = [row for path in data for row in lines(path)]
    validator = Draft202012Validator(DOCUMENTED[name])
    assert [error.message for row in rows for error in validator.iter_errors(row)] == []
    assert len(rows) == len(rows_of(source))


def test_openai_keeps_system_messages_and_earlier_turns(source: Path, tmp_path: Path) -> None:
    exported(source, "openai", tmp_path / "o.jsonl", "--split", "all")
    made_rows = rows_of(source)
    for row, line in zip(made_rows, lines(tmp_path / "o.jsonl"), strict=True):
        assert line["input"]["messages"] == row["prompt"]
        assert line["preferred_output"] == row["chosen"]
        assert line["non_preferred_output"] == row["rejected"]
    roles = {tuple(m["role"] for m in row["prompt"]) for row in made_rows}
    assert {("user",), ("system", "user"), ("user", "assistant", "user")} <= roles


def test_plain_text_leaves_out_what_it_cannot_hold_and_says_so(source: Path, tmp_path: Path) -> None:
    done = exported(source, "trl-plain", tmp_path / "p.jsonl", "--split", "all", "--json")
    shapes = [tuple(m["role"] for m in row["prompt"]) for row in rows_of(source)]
    assert json.loads(done.stdout)["left_out"] == {
        "it has a system message": shapes.count(("system", "user")),
        "it has several turns": shapes.count(("user", "assistant", "user")),
    }
    single = [row for row, shape in zip(rows_of(source), shapes, strict=True) if shape == ("user",)]
    assert [line["prompt"] for line in lines(tmp_path / "p.jsonl")] == [row["prompt"][0]["content"] for row in single]


def test_rewards_need_scores(source: Path, tmp_path: Path) -> None:
    nothing = exported(source, "trl-rewards", tmp_path / "r.jsonl")
    assert nothing.return_value == 1
    assert "its answers were not scored" in nothing.stderr
    assert "no row was written" in nothing.stderr
    made(tmp_path, ["good thing", "bad rude thing"], strategy="best-vs-worst", responses=2, test_fraction=0.0,
         world=_two_answers())  # fmt: skip
    exported(tmp_path / "run", "trl-rewards", tmp_path / "r.jsonl")
    rows = lines(tmp_path / "r.jsonl")
    assert rows
    assert all(row["chosen_reward"] > row["rejected_reward"] and 0 < row["margin"] <= 1 for row in rows)


def test_answers_are_those_of_the_prompts_in_the_dataset(tmp_path: Path) -> None:
    made(tmp_path, ["a rude word", "another rude word"])
    made(tmp_path, ["a rude word"])
    assert write_answers(tmp_path / "run", tmp_path / "answers.jsonl") == 1


def _two_answers() -> Any:
    from tests.support.runs import World

    return World(respond=lambda question, sample: question if sample else f"{question} rude long")


def test_probabilities_that_become_plain_labels_are_counted(source: Path, tmp_path: Path) -> None:
    soft = sum(row["p_chosen"] < 1 for row in rows_of(source))
    done = exported(source, "axolotl", tmp_path / "a", "--json")
    assert json.loads(done.stdout)["plain_labels"] == soft > 0
    assert f"{soft} labels are less than certain" in done.stderr
    held = exported(source, "trl", tmp_path / "t.jsonl", "--json", "--split", "all")
    assert json.loads(held.stdout)["plain_labels"] == 0
    assert {line["p_chosen"] for line in lines(tmp_path / "t.jsonl")} == {row["p_chosen"] for row in rows_of(source)}


def test_margin_tag_split_and_limit_choose_rows(source: Path, tmp_path: Path) -> None:
    rows = rows_of(source)
    exported(source, "trl", tmp_path / "m.jsonl", "--split", "all", "--min-margin", "0.9")
    assert len(lines(tmp_path / "m.jsonl")) == sum(row["margin"] >= 0.9 for row in rows) < len(rows)
    exported(source, "trl", tmp_path / "c.jsonl", "--split", "all", "--tag", "chat")
    assert len(lines(tmp_path / "c.jsonl")) == sum("chat" in row["tags"] for row in rows) > 0
    done = exported(source, "trl", tmp_path / "s.jsonl", "--split", "test")
    test = len(lines(tmp_path / "s.jsonl"))
    assert 0 < test < len(rows)
    assert f"the split train ({len(rows) - test} rows) is not in it" in done.stderr
    exported(source, "trl", tmp_path / "l.jsonl", "--limit", "2")
    assert len(lines(tmp_path / "l.jsonl")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "openai", "--out", "x.parquet"], "openai is written as .jsonl"),
        (["--format", "trl", "--out", "x.txt"], "trl is written as .jsonl or .parquet"),
        (["--format", "kto", "--out", "x.jsonl", "--min-margin", "0.5"], "--min-margin is of pairs"),
        (["--format", "trl", "--out", "x.jsonl", "--split", "trian"], "did you mean 'train'"),
    ],
)
def test_what_cannot_be_done_is_said(
    source: Path, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        invoke(str(source), *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a run folder nor a dataset"):
        exported(tmp_path, "trl", tmp_path / "x.jsonl")


def test_axolotls_config_names_the_files(source: Path, tmp_path: Path) -> None:
    exported(source, "axolotl", tmp_path / "a")
    config = yaml.safe_load((tmp_path / "a" / "axolotl.yml").read_text())
    assert config["rl"] == "dpo"
    entries = config["datasets"] + config["test_datasets"]
    assert [entry["path"] for entry in entries] == ["train.jsonl", "test.jsonl"]
    for entry in entries:
        assert (tmp_path / "a" / entry["path"]).is_file()
        assert entry["type"] == "chat_template.default"


def test_llama_factorys_index_keeps_other_datasets(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lf"
    folder.mkdir()
    (folder / "dataset_info.json").write_text('{"mine": {"file_name": "mine.json"}}')
    exported(source, "llama-factory", folder)
    index = json.loads((folder / "dataset_info.json").read_text())
    assert set(index) == {"mine", "lf_train", "lf_test"}
    for name in ("lf_train", "lf_test"):
        entry = index[name]
        assert entry["ranking"]
        columns = set(entry["columns"].values())
        assert all(set(row) == columns for row in lines(folder / entry["file_name"]))
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        exported(source, "llama-factory", folder)


def test_parquet_and_jsonl_hold_the_same_rows(source: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("trl", "kto", "sft", "trl-plain", "openrlhf"):
        exported(source, name, tmp_path / "x.jsonl")
        exported(source, name, tmp_path / "x.parquet")
        assert pq.read_table(tmp_path / "x.parquet").to_pylist() == lines(tmp_path / "x.jsonl")


def test_a_failed_export_leaves_what_was_there(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from constitutional.dataset.source import DatasetFolder

    exported(source, "trl", tmp_path / "x.jsonl")
    before = (tmp_path / "x.jsonl").read_bytes()
    rows = DatasetFolder.rows

    def broken(self: DatasetFolder, subset: str, split: str) -> Any:
        yield from list(rows(self, subset, split))[:2]
        raise RuntimeError

    monkeypatch.setattr(DatasetFolder, "rows", broken)
    with pytest.raises(RuntimeError):
        exported(source, "trl", tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl"]
