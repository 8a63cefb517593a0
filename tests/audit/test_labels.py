from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.audit.labels import Labels, joined, read_labels
from constitutional.audit.rows import escaped, unescaped, vote_of
from constitutional.errors import PromptFileError
from tests.support.verdicts import pair

ROW = {"prompt": "Where is my parcel?", "a": "On its way.", "b": "I do not know."}


def read(folder: Path, *rows: Any, name: str = "labels.jsonl") -> Labels:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_labels([name], folder)


def fault(folder: Path, *rows: Any) -> str:
    with pytest.raises(PromptFileError) as caught:
        read(folder, *rows)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("a", 1.0), ("A", 1.0), (" first ", 1.0), ("1", 1.0), (1, 1.0), (1.0, 1.0), ("left", 1.0), ("model_a", 1.0),
        ("b", 0.0), ("second", 0.0), (0, 0.0), ("2", 0.0), (2, 0.0), ("Response B", 0.0),
        ("tie", 0.5), (0.5, 0.5), ("0.5", 0.5), ("tie (bothbad)", 0.5), ("½", 0.5), (0.75, 0.75), ("0.2", 0.2),
    ],
)  # fmt: skip
def test_a_label_is_read_in_every_way_that_people_write_it(said: Any, share: float) -> None:
    assert vote_of(said) == share


@pytest.mark.parametrize("said", ["c", "ab", "yes", 3, -1, 1.5, True, [], "nan", "inf", "1 of 2"])
def test_another_label_is_an_error_that_says_what_to_write(said: Any) -> None:
    with pytest.raises(ValueError, match="write a, b or tie"):
        vote_of(said)


def test_a_typing_error_names_its_line_and_what_was_meant(tmp_path: Path) -> None:
    said = fault(tmp_path, ROW | {"label": "a"}, ROW | {"prompt": "Other?", "label": "frist"})
    assert said.startswith("labels.jsonl:2: the label 'frist' cannot be read: write a, b or tie")
    assert "did you mean 'first'" in said


def test_all_bad_rows_are_listed_at_once_up_to_a_point(tmp_path: Path) -> None:
    said = fault(tmp_path, *(ROW | {"prompt": f"{n}?", "label": "x"} for n in range(30))).splitlines()
    assert said[0].startswith("labels.jsonl:1: ")
    assert said[-1] == "and 18 more rows like these"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "Q?", "a": "x", "label": "a"}, "only `a` of the two answers"),
        ({"prompt": "Q?", "label": "a"}, "no answers: expected `a` and `b`, or `chosen` and `rejected`"),
        ({"prompt": "Q?", "choosen": "x", "rejected": "y"}, "did you mean 'chosen'"),
        ({"a": "x", "b": "y", "label": "a"}, "no `prompt` and no `messages`"),
        ({"prompt": "", "a": "x", "b": "y", "label": "a"}, "the prompt is empty"),
        ({"prompt": "Q?", "a": 7, "b": "y", "label": "a"}, "`a` must be a text or a list of turns"),
        (
            {"prompt": "Q?", "a": [{"role": "user", "content": "x"}], "b": "y", "label": "a"},
            "must end with the assistant",
        ),
        ({"prompt": "Q?", "a": [{"role": "bot", "content": "x"}], "b": "y", "label": "a"}, "`a`, turn 1"),
        ({"prompt": "Q?", "a": "x", "b": "y", "labels": 7}, "`labels` must map annotators"),
        (["x"], "expected an object"),
    ],
)
def test_what_is_wrong_with_a_row(tmp_path: Path, row: Any, words: str) -> None:
    assert words in fault(tmp_path, row)


def test_a_name_that_is_right_is_no_typing_error(tmp_path: Path) -> None:
    said = fault(tmp_path, {"prompt": "Q?", "b": "x", "label": "a"})
    assert said == "labels.jsonl:1: only `b` of the two answers; its fields are: prompt, b, label"


def test_labels_0_and_2_cannot_both_be_meant(tmp_path: Path) -> None:
    said = fault(tmp_path, ROW | {"label": 0}, ROW | {"prompt": "Other?", "label": 2})
    assert "labels 0 and 2 both occur" in said


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    labels = read(tmp_path, ROW | {"label": "a"}, ROW | {"prompt": "Other?", "label": None}, ROW | {"prompt": "P?"})
    assert (len(labels.pairs), labels.unlabelled) == (1, 2)


def test_nobody_has_labelled_yet(tmp_path: Path) -> None:
    assert "none of its 1 rows has a label: write a, b or tie" in fault(tmp_path, ROW)


def test_equal_answers_cannot_be_preferred(tmp_path: Path) -> None:
    assert "the two answers are the same" in fault(tmp_path, ROW | {"b": ROW["a"], "label": "a"})


def test_an_empty_file_and_a_missing_one(tmp_path: Path) -> None:
    assert fault(tmp_path) == f"{tmp_path / 'labels.jsonl'} holds no labels: it is empty"
    with pytest.raises(PromptFileError, match="no such file or folder; labels come from"):
        read_labels(["nowhere.jsonl"], tmp_path)


def test_how_labels_were_read_is_kept(tmp_path: Path) -> None:
    labels = read(tmp_path, ROW | {"label": 1}, ROW | {"prompt": "2?", "label": 0}, ROW | {"prompt": "3?", "label": 0})
    assert labels.readings.counts == {"1": ("a", 1), "0": ("b", 2)}


def test_several_annotators_in_every_form(tmp_path: Path) -> None:
    labels = read(
        tmp_path,
        ROW | {"labels": {"ann": "a", "bob": "tie"}},
        ROW | {"prompt": "2?", "labels": ["a", "b", "b"]},
        ROW | {"prompt": "3?", "label_ann": "b", "label_bob": ""},
        ROW | {"prompt": "4?", "annotator": "ann", "label": "a"},
        ROW | {"prompt": "4?", "annotator": "bob", "label": "b"},
    )
    assert [dict(one.votes) for one in labels.pairs] == [
        {"ann": 1.0, "bob": 0.5},
        {"1": 1.0, "2": 0.0, "3": 0.0},
        {"ann": 0.0},
        {"ann": 1.0, "bob": 0.0},
    ]
    assert [one.side for one in labels.pairs] == [1, -1, -1, 0]


def test_the_same_pair_the_other_way_round_is_the_same_pair(tmp_path: Path) -> None:
    turned = ROW | {"a": ROW["b"], "b": ROW["a"]}
    labels = read(tmp_path, ROW | {"annotator": "ann", "label": "a"}, turned | {"annotator": "bob", "label": "b"})
    assert [dict(one.votes) for one in labels.pairs] == [{"ann": 1.0, "bob": 1.0}]
    assert read(tmp_path, ROW | {"label": "a"}, turned | {"label": "b"}).repeated == 1


def test_one_annotator_with_two_labels_is_an_error(tmp_path: Path) -> None:
    assert "labels.jsonl:2: the same pair has another label in labels.jsonl:1" in fault(
        tmp_path, ROW | {"label": "a"}, ROW | {"label": "b"}
    )


def test_each_of_several_files_is_an_annotator(tmp_path: Path) -> None:
    for name, label in (("ann", "a"), ("bob", "b")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(ROW | {"label": label}))
    labels = read_labels(["ann.jsonl", "bob.jsonl"], tmp_path)
    assert labels.annotators == ("ann", "bob")
    assert labels.names == ("ann.jsonl", "bob.jsonl")


def test_chosen_and_rejected_come_in_a_shuffled_order(tmp_path: Path) -> None:
    """Else a judge that always says the first would look perfect."""
    labels = read(tmp_path, *({"prompt": f"{n}?", "chosen": f"good {n}", "rejected": "bad"} for n in range(200)))
    assert all((one.a if one.side > 0 else one.b).text.startswith("good") for one in labels.pairs)
    assert 70 < sum(one.side > 0 for one in labels.pairs) < 130


def test_whole_dialogues_share_their_beginning(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Q?"}]
    dialogues = [[*asked, {"role": "assistant", "content": text}] for text in ("good", "bad")]
    (one,) = read(tmp_path, {"chosen": dialogues[0], "rejected": dialogues[1]}).pairs
    assert [message.content for message in one.prompt.messages] == ["Q?"]
    assert {one.a.text, one.b.text} == {"good", "bad"}
    other = [{"role": "user", "content": "P?"}, {"role": "assistant", "content": "bad"}]
    assert "differ before their last answers" in fault(tmp_path, {"chosen": dialogues[0], "rejected": other})


def test_dialogues_in_one_text_are_taken_apart_where_speakers_change(tmp_path: Path) -> None:
    before = "\n\nHuman: Say: what is it?\n\nAssistant: Note: a box.\n\nHuman: And?\n\nAssistant:"
    row = {"chosen": f"{before} Nothing.", "rejected": f"{before} A trap.\n\nHuman: Oh\n\nAssistant: Yes"}
    (one,) = read(tmp_path, row).pairs
    assert [(message.role, message.content) for message in one.prompt.messages] == [
        ("user", "Say: what is it?"), ("assistant", "Note: a box."), ("user", "And?"),
    ]  # fmt: skip
    assert {one.a.text, one.b.text} == {"Nothing.", "A trap.\n\nHuman: Oh\n\nAssistant: Yes"}
    assert "no question in common" in fault(tmp_path, row | {"rejected": "\n\nHuman: Else?\n\nAssistant: No."})


def test_csv_with_tags_authors_and_a_principle(tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "a", "b", "label", "tags", "author_a", "author_b", "principle"])
        writer.writerow(["Q?", "=SUM(A1)", "line 1\nline 2", "tie", "shop, late", "gpt-x", "other", "honest"])
    (one,) = read_labels(["labels.csv"], tmp_path).pairs
    assert (one.a.text, one.b.text) == ("=SUM(A1)", "line 1\nline 2")
    assert (one.prompt.tags, one.principle) == (("shop", "late"), "honest")
    assert (one.a.model, one.b.model) == ("gpt-x", "other")


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    nasty = "{{ 7 * 7 }} </script><script>alert(1)</script> \x00 \ud800 ${x}"
    (one,) = read(tmp_path, ROW | {"a": nasty, "label": "b"}).pairs
    assert one.a.text.startswith("{{ 7 * 7 }} </script>")


@given(st.text(max_size=8).map(lambda text: text) | st.from_regex(r"\A'{0,3}[=+\-@\t\r]?.{0,3}\Z"))
def test_a_cell_survives_a_spreadsheet(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert escaped(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_a_run_gives_its_own_texts_to_labels_of_its_pairs() -> None:
    own = pair("1", {}, "first\nline", "second")
    shown = pair("1", 0.0, "second", "first \r\nline")
    labels = Labels([replace(shown, id=own.id), pair("else", 1.0)], ("sheet.csv",))
    found, count = joined(labels, {own.id: own})
    assert count == 1
    assert (found.pairs[0].a.text, found.pairs[0].side) == ("first\nline", 1)
    changed = Labels(
        [replace(pair("1", 1.0, "another text", "second"), id=own.id, source="sheet.csv:2")], ("sheet.csv",)
    )
    with pytest.raises(PromptFileError, match=r"sheet.csv:2: its answers were changed"):
        joined(changed, {own.id: own})
