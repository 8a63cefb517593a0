"""Rows that cannot be trained on are counted by reason, before any model is loaded; the split is by prompt."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.errors import ConfigError, RunStoppedError
from constitutional.training.data import TrainingData, held_out_prompts, limited_held_out, read_data
from constitutional.training.rows import Preference, answer_of, preference_of
from constitutional.training.settings import TrainSettings
from tests.training.planted import answer, pair, write, write_dataset

NAN = math.nan


def read(source: Path, **changes: Any) -> TrainingData:
    return read_data(TrainSettings(source=str(source), model="none/needed", out="nowhere", **changes))


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


HI = [{"role": "user", "content": "Hi"}]
GOOD = [pair(number) for number in range(40)]
BAD: dict[str, list[dict[str, Any]]] = {
    "empty_answer": [
        {"chosen": said("")}, {"rejected": said("  ")}, {"chosen": []}, {"rejected": ""}, {"chosen": None},
        {"chosen": [*said("Yes"), {"role": "user", "content": "And?"}]},
    ],
    "identical_answers": [{"chosen": said("Same."), "rejected": said("Same.")}],
    "bad_label": [{"p_chosen": value} for value in (NAN, None, 1.5, -0.1, "0.9", True)]
    + [{"margin": value} for value in (NAN, None, math.inf, "wide")],
    "bad_row": [
        {"prompt": []}, {"prompt": ""}, {"prompt": 7}, {"chosen": [{"role": "narrator", "content": "Hm"}]},
        {"chosen": ["Yes"]}, {"prompt": [{"role": "user"}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "change"), [(reason, change) for reason, all_ in BAD.items() for change in all_])
def test_a_row_that_cannot_be_used_has_a_reason(reason: str, change: dict[str, Any]) -> None:
    assert preference_of(pair(0) | change) == reason


def test_bad_rows_are_counted_and_the_others_are_used(tmp_path: Path) -> None:
    changes = [(reason, change) for reason, all_ in BAD.items() for change in all_]
    rows = [pair(100 + number) | change for number, (_, change) in enumerate(changes)]
    data = read(write(tmp_path / "rows.jsonl", [*GOOD, *rows, GOOD[3], GOOD[4] | {"p_chosen": 0.6}]))
    part = data.preferences
    assert part.dropped == {reason: len(all_) for reason, all_ in BAD.items()} | {"duplicate": 2}
    assert (part.read, part.usable) == (len(GOOD) + len(rows) + 2, len(GOOD))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "it has no preference rows"),
        (
            [{"question": "Why?", "good": "So.", "bad": "No."}],
            "it has no preference rows; the fields of its first row: question, good, bad",
        ),
        ([pair(0)], "only 1 row of 1 can be used; it takes two prompts, one of them held out"),
        ([pair(0), pair(0) | {"chosen": said("Better.")}], "only 2 rows of one prompt of 2 can be used"),
        (
            [pair(n) | {"chosen": said("")} for n in range(3)],
            r"none of its 3 .* can be used \(dropped: empty_answer 3\)",
        ),
        ([pair(n) | {"p_chosen": NAN} for n in range(3)], r"\(dropped: bad_label 3\)"),
        ([pair(n, 0.5) for n in range(5)], "every p_chosen is 0.5: the labels say nothing"),
    ],
)
def test_nothing_to_train_on_is_said(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RunStoppedError, match=message) as raised:
        read(write(tmp_path / "rows.jsonl", rows))
    assert raised.value.exit_code == 1


def test_the_run_inside_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo" / "data").mkdir(parents=True)
    (tmp_path / "demo" / "data" / "run.db").write_bytes(b"a ledger")
    write(tmp_path / "demo" / "prompts.jsonl", [{"prompt": "Why?"}])
    with pytest.raises(RunStoppedError, match=r"no preference rows; did you mean '.*/demo/data'\?$"):
        read(tmp_path / "demo")


def test_a_tie_says_something_to_soft_labels_only(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [*GOOD, pair(90, 0.5)])
    assert read(path, labels="soft").preferences.dropped == {}
    for labels in ("hard", "margin-weighted"):
        assert read(path, labels=labels).preferences.dropped == {"tie": 1}


def test_a_row_that_is_labelled_the_other_way_is_turned_round_and_noted(tmp_path: Path) -> None:
    part = read(write(tmp_path / "rows.jsonl", [*GOOD, pair(70, 0.25)])).preferences
    (row,) = [row for row in (*part.train, *part.held_out) if row.prompt_id == "p70"]
    assert (row.p, row.margin) == (0.75, 0.5)
    assert "rude" in row.chosen[0].content
    assert part.notes == ["1 rows with p_chosen under 0.5 were turned round: their `rejected` is the better"]


def test_without_p_chosen_labels_are_certain_and_cannot_be_soft(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in GOOD]
    path = write(tmp_path / "rows.jsonl", rows)
    data = read(path)
    assert (data.soft, data.facts.mean_p) == (False, 1.0)
    for labels in ("soft", "margin-weighted"):
        with pytest.raises(ConfigError, match="has no column `p_chosen`; use --labels hard"):
            read(path, labels=labels)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "chosen": "Yes", "rejected": "No"},
        {"chosen": [*HI, *said("Yes")], "rejected": [*HI, *said("No")]},
        {"prompt": "Hi", "chosen": [*HI, *said("Yes")], "rejected": said("No")},
    ],
)
def test_other_datasets_shapes_are_read(row: dict[str, Any]) -> None:
    made = preference_of(row, system="Be kind.")
    assert isinstance(made, Preference)
    assert [turn.role for turn in made.prompt] == ["system", "user"]
    assert (made.chosen[0].content, made.rejected[0].content, made.p) == ("Yes", "No", 1.0)


def test_answers_come_from_revisions_and_helpful_ones(tmp_path: Path) -> None:
    helpful: list[dict[str, Any]] = [
        {"prompt": "Hi", "response": "Hello!"},
        {"messages": [{"role": "user", "content": "Bye"}, *said("Good bye!")]},
        {"messages": [{"role": "user", "content": "Bye"}]},
        {"prompt": "Hi", "completion": " "},
    ]
    rows = [answer(number) for number in range(20)] + [answer(77) | {"resolved": False}]
    write(tmp_path / "data" / "sft" / "train.jsonl", rows)
    part = read(tmp_path / "data", stages=("sft",), helpful=str(write(tmp_path / "h.jsonl", helpful))).answers
    assert part.notes == ["20 revisions", "2 helpful answers"]
    assert part.dropped == {"unresolved_violation": 1, "bad_row": 1, "empty_answer": 1}
    assert answer_of({"prompt": "Hi", "completion": "Yes"}) != answer_of({"prompt": "Hi", "completion": "No"})


# --- the split --------------------------------------------------------------------------------------------------------


@given(st.sets(st.text(max_size=6), min_size=2, max_size=60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_something_is_always_held_out_and_something_is_not(prompts: set[str], share: float, seed: int) -> None:
    held = held_out_prompts(prompts, share, seed)
    assert set() < held < prompts


@given(st.integers(100, 300), st.integers(0, 5))
def test_a_prompt_stays_where_it_is_when_others_come(count: int, seed: int) -> None:
    few, many = ({f"p{n}" for n in range(size)} for size in (count, 2 * count))
    before, after = held_out_prompts(few, 0.2, seed), held_out_prompts(many, 0.2, seed)
    assert before == after & few


def test_no_prompt_is_on_both_sides(tmp_path: Path) -> None:
    rows = [pair(n) | {"chosen": said(f"Answer {k}")} for n in range(30) for k in range(3)]
    part = read(write(tmp_path / "rows.jsonl", rows), held_out=0.3).preferences
    train, held = ({row.prompt_id for row in side} for side in (part.train, part.held_out))
    assert train | held == {f"p{n}" for n in range(30)}
    assert not train & held


def test_a_test_split_of_the_data_is_kept_and_never_trained_on(tmp_path: Path) -> None:
    write(tmp_path / "preference" / "train.jsonl", [pair(number) for number in range(20)])
    write(tmp_path / "preference" / "test-00000-of-00001.jsonl", [pair(number) for number in (30, 31, 5)])
    part = read(tmp_path).preferences
    assert {row.prompt_id for row in part.held_out} == {"p30", "p31", "p5"}
    assert "p5" not in {row.prompt_id for row in part.train}
    assert part.dropped == {"in_both_splits": 1}


def test_an_evaluation_looks_at_the_same_few_rows(tmp_path: Path) -> None:
    part = read(write(tmp_path / "rows.jsonl", GOOD), held_out=0.5).preferences
    few = limited_held_out(part, 4, 0)
    assert len(few.held_out) == 4
    assert few.held_out == limited_held_out(part, 4, 0).held_out
    assert few.train == part.train


# --- where rows are ---------------------------------------------------------------------------------------------------


def test_rows_are_read_from_every_kind_of_folder(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    rows = Dataset.from_list(GOOD)
    splits = rows.train_test_split(0.25, seed=0)
    splits.save_to_disk(tmp_path / "saved")
    rows.save_to_disk(tmp_path / "one")
    (tmp_path / "flat").mkdir()
    rows.to_parquet(tmp_path / "flat" / "train-00000-of-00001.parquet")
    DatasetDict({"train": rows}).save_to_disk(tmp_path / "ours" / "preference")
    write_dataset(tmp_path / "jsonl", 40)
    for name in ("one", "flat", "ours", "jsonl"):
        assert read(tmp_path / name).preferences.read == 40, name
    saved = read(tmp_path / "saved").preferences
    assert (len(saved.train), len(saved.held_out)) == (30, 10)


def test_a_run_of_ours_is_read_with_its_constitution(tmp_path: Path) -> None:
    from tests.support.runs import run, tier

    prompts = [f"word{n} bad thing" for n in range(20)]
    run(tmp_path, prompts, tier("safe", "strong", "bad"), test_fraction=0.3)
    from constitutional.dataset.write import write_dataset as write_run
    from constitutional.ledger import RunFolder

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigError, match="this run has no dataset yet: finish it with `constitutional generate`"):
        read(folder.path)
    write_run(folder, complete=True)
    data = read(folder.path, stages=("sft", "dpo"))
    assert (data.about.constitution, data.about.name) == ("words", "run")
    assert data.beside == folder.path
    assert data.preferences.usable == data.preferences.read > 10
    assert data.answers.usable == data.answers.read > 10
    assert data.preferences.held_out


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such file or folder; train on a run folder"),
        ("empty", "no dataset in it"),
        ("rows.txt", "unknown kind of file '.txt'"),
        ("broken.jsonl", "broken.jsonl:2: not JSON"),
        ("list.jsonl", "list.jsonl:1: expected an object"),
        ("broken.parquet", "not a Parquet file"),
    ],
)
def test_a_source_that_cannot_be_read(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.txt").write_text("Hi")
    (tmp_path / "broken.jsonl").write_text('{"chosen": "a", "rejected": "b", "prompt": "c"}\n{"chosen"')
    (tmp_path / "list.jsonl").write_text("[1]\n")
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(ConfigError, match=message) as raised:
        read(tmp_path / source)
    assert raised.value.exit_code == 2
