from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constitutional.core.records import Message, Prompt, Reason
from constitutional.errors import PromptFileError
from constitutional.pipeline.prompts import SHAREGPT, check_prompts, count_prompts, prompt_of, read_prompts
from constitutional.pipeline.rows import RowFault

TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ho"},
    {"role": "user", "content": "And now?"},
]
WHOLE = tuple(Message(turn["role"], turn["content"]) for turn in TURNS)


def read(folder: Path, name: str, content: bytes | str | None = None) -> list[Prompt | RowFault]:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_prompts(name, folder))


def rows(folder: Path, *objects: Any) -> list[Prompt | RowFault]:
    return read(folder, "p.jsonl", "".join(json.dumps(item) + "\n" for item in objects))


def prompts(found: Sequence[Prompt | RowFault]) -> list[Prompt]:
    assert all(isinstance(item, Prompt) for item in found), found
    return [item for item in found if isinstance(item, Prompt)]


def unreadable(folder: Path, name: str, content: bytes | str | None = None) -> str:
    with pytest.raises(PromptFileError) as caught:
        read(folder, name, content)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_text_is_a_dialogue_of_one_turn(tmp_path: Path) -> None:
    (prompt,) = prompts(rows(tmp_path, {"prompt": "How?"}))
    assert prompt == Prompt(Prompt.id_of((Message("user", "How?"),)), (Message("user", "How?"),), source="p.jsonl:1")


def test_every_field_of_a_row(tmp_path: Path) -> None:
    row = {"id": 7, "prompt": "How?", "tags": ["a", "b"], "reference": "So.", "system": "Be kind.", "other": 1}
    assert rows(tmp_path, row) == [
        Prompt("7", (Message("system", "Be kind."), Message("user", "How?")), ("a", "b"), "So.", "p.jsonl:1")
    ]


def test_a_dialogue_is_kept_whole(tmp_path: Path) -> None:
    (prompt,) = prompts(rows(tmp_path, {"messages": TURNS, "tags": "alone"}))
    assert prompt.messages == WHOLE
    assert prompt.tags == ("alone",)


def test_the_conversational_prompt_column_of_a_dataset_is_a_dialogue_too(tmp_path: Path) -> None:
    assert prompts(rows(tmp_path, {"prompt": TURNS}))[0].messages == WHOLE


def test_an_answer_at_the_end_is_the_reference(tmp_path: Path) -> None:
    answered = [*TURNS, {"role": "assistant", "content": "Now."}]
    first, second = prompts(rows(tmp_path, {"messages": answered}, {"messages": answered[:2], "reference": "Hey"}))
    assert (first.messages, first.reference) == (WHOLE, "Now.")
    assert (second.messages, second.reference) == (WHOLE[:1], "Hey")


def test_a_dialogues_own_system_message_stays(tmp_path: Path) -> None:
    own = [{"role": "system", "content": "Mine."}, *TURNS]
    (prompt,) = prompts(rows(tmp_path, {"messages": own, "system": "Theirs."}))
    assert prompt.messages == (Message("system", "Mine."), *WHOLE)


def test_a_pattern_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "Good?"}\n')
    assert unreadable(tmp_path, "*.jsonl") == (
        "*.jsonl: no file of this name, and patterns are not filled in: cat *.jsonl | … --prompts -"
    )
    assert unreadable(tmp_path, "*.csv").startswith("*.csv: no such file or folder; ")


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ([1], "expected an object with `prompt` or `messages`, this is [1]"),
        ("x" * 99, "expected an object with `prompt` or `messages`, this is '" + "x" * 58 + "…"),
        (None, "expected an object with `prompt` or `messages`, this is None"),
        ({}, "no `prompt` and no `messages`; its fields are: none"),
        ({"text": "a", "n": 1}, "no `prompt` and no `messages`; its fields are: text, n"),
        ({"\ud800": 1}, "no `prompt` and no `messages`; its fields are: \ufffd"),
        ({"promt": "a"}, "no `prompt` and no `messages`; its fields are: promt; did you mean 'prompt'?"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": " \n "}, "the prompt is empty"),
        ({"prompt": 5}, "`prompt` must be a text or a list of turns, this is 5"),
        ({"prompt": None}, "`prompt` is null"),
        ({"conversations": []}, f"no `prompt` and no `messages`; its fields are: conversations; {SHAREGPT}"),
        (
            {"messages": [{"from": "human", "value": "a"}]},
            f"turn 1 must have a `role` and a text `content`, this is {{'from': 'human', 'value': 'a'}}; {SHAREGPT}",
        ),
        ({"messages": []}, "`messages` must be a list of turns, this is []"),
        ({"messages": ["Hi"]}, "turn 1 must have a `role` and a text `content`, this is 'Hi'"),
        (
            {"messages": [*TURNS, {"role": "user"}]},
            "turn 4 must have a `role` and a text `content`, this is {'role': 'user'}",
        ),
        (
            {"messages": [{"role": "bot", "content": "x"}]},
            "turn 1: unknown role 'bot'; known: system, user, assistant",
        ),
        ({"messages": TURNS[1:2]}, "the dialogue has no user message to answer at its end"),
        (
            {"messages": [{"role": "system", "content": "x"}]},
            "the dialogue has no user message to answer at its end",
        ),
        ({"prompt": "a", "tags": 3}, "`tags` must be a list of texts, this is 3"),
        ({"prompt": "a", "tags": ["x", 3]}, "`tags` must be a list of texts, this is ['x', 3]"),
    ],
)
def test_a_row_of_the_wrong_shape_is_a_fault_and_the_next_one_is_read(tmp_path: Path, row: Any, detail: str) -> None:
    fault, good = rows(tmp_path, row, {"prompt": "Good?"})
    assert fault == RowFault("p.jsonl:1", detail, Reason.BAD_ROW)
    assert isinstance(good, Prompt)


def test_lines_that_are_no_json_are_faults_with_their_place(tmp_path: Path) -> None:
    content = b'\xef\xbb\xbf{"prompt": "first"}\r\n\n   \n{"prompt": "a\xffb"}\n{"prompt": \n{"prompt": "last"}'
    first, byte, broken, last = read(tmp_path, "p.jsonl", content)
    assert isinstance(first, Prompt)
    assert first.messages == (Message("user", "first"),)
    assert byte == RowFault("p.jsonl:4", "not UTF-8: byte 0xff at column 14")
    assert broken == RowFault("p.jsonl:5", "not JSON: Expecting value at column 1")
    assert isinstance(last, Prompt)
    assert last.source == "p.jsonl:6"


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_a_row_nested_a_hundred_thousand_deep_is_a_fault(tmp_path: Path, opened: str) -> None:
    closed = "]" if opened == "[" else "}"
    deep = '{"prompt": ' + opened * 100_000 + "1" + closed * 100_000 + "}\n"
    fault, good = read(tmp_path, "p.jsonl", deep + '{"prompt": "Good?"}\n')
    assert isinstance(fault, RowFault)
    assert fault.source == "p.jsonl:1"
    assert fault.detail.startswith("not JSON: ")
    assert isinstance(good, Prompt)


def test_a_row_nested_just_as_deep_as_can_be_read_is_a_fault_too(tmp_path: Path) -> None:
    """Where the parser still manages, what shows the row in the message has to manage too."""
    limit = sys.getrecursionlimit()
    depths = range(limit - 150, limit + 10)
    found = read(tmp_path, "p.jsonl", "".join('{"prompt": ' + "[" * n + "]" * n + "}\n" for n in depths))
    assert len(found) == len(depths)
    assert all(isinstance(fault, RowFault) and len(fault.detail) < 200 for fault in found)


def test_the_same_dialogue_again_is_a_duplicate(tmp_path: Path) -> None:
    first, again, other = rows(tmp_path, {"prompt": "Hi"}, {"prompt": "Hi", "id": "x"}, {"prompt": "Hi", "system": "S"})
    assert again == RowFault("p.jsonl:2", "the same dialogue as p.jsonl:1", Reason.DUPLICATE)
    assert isinstance(first, Prompt)
    assert isinstance(other, Prompt)


def test_an_id_of_another_prompt_is_a_fault(tmp_path: Path) -> None:
    first, second, third = rows(tmp_path, {"prompt": "Hi", "id": 1}, {"prompt": "Ho", "id": "1"}, {"prompt": "Ho"})
    assert isinstance(first, Prompt)
    assert second == RowFault("p.jsonl:2", "id '1' belongs to another prompt already: p.jsonl:1", Reason.BAD_ROW)
    assert isinstance(third, Prompt)


def test_a_lone_surrogate_which_no_file_can_hold_becomes_a_sign_of_it(tmp_path: Path) -> None:
    row = {"id": "\ud800", "prompt": "a\ud800b", "tags": ["\udfff"], "reference": "\ud801", "system": "s\udc00"}
    assert rows(tmp_path, row) == [
        Prompt(
            "\ufffd", (Message("system", "s\ufffd"), Message("user", "a\ufffdb")), ("\ufffd",), "\ufffd", "p.jsonl:1"
        )
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["prompt", "messages", "tags", "id", "system", "reference", "role", "content", "x"]), inner
        )
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(JSON)
def test_whatever_a_row_holds_it_is_a_prompt_or_a_fault(row: Any) -> None:
    made = prompt_of(row, "here")
    if isinstance(made, Prompt):
        assert made.messages[-1].role == "user"
        assert made.messages[-1].content.strip()
        repr(made).encode()
        "".join([made.id, *made.tags, made.reference or "", *(turn.content for turn in made.messages)]).encode()
    else:
        assert (made.source, made.reason) == ("here", Reason.BAD_ROW)


CSV = 'prompt,tags,id\nhello,a;b,1\n"two\nlines","x, y",2\n,x,3\nmore,,4,5,6\n'


@pytest.mark.parametrize(("name", "mark"), [("p.csv", ","), ("p.csv", ";"), ("p.csv", "\t"), ("p.tsv", "\t")])
def test_csv_and_tsv(tmp_path: Path, name: str, mark: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows(csv.reader(io.StringIO(CSV)))
    found = read(tmp_path, name, b"\xef\xbb\xbf" + text.getvalue().encode())
    assert found == [
        Prompt("1", (Message("user", "hello"),), ("a", "b"), source=f"{name}:2"),
        Prompt("2", (Message("user", "two\nlines"),), ("x", "y"), source=f"{name}:4"),
        RowFault(f"{name}:5", "no `prompt` and no `messages`; its fields are: tags, id"),
        Prompt("4", (Message("user", "more"),), source=f"{name}:6"),
    ]


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    table = pa.table({"messages": [TURNS, TURNS[:1]], "tags": [["a"], None], "prompt": [None, "not this"]})
    parquet.write_table(table, tmp_path / "p.parquet")
    first, second = prompts(read(tmp_path, "p.parquet"))
    assert (first.messages, first.tags, first.source) == (WHOLE, ("a",), "p.parquet:1")
    assert second.messages == WHOLE[:1]
    assert count_prompts("p.parquet", tmp_path) == 2


def test_a_folder_of_parquet_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (tmp_path / "d").mkdir()
    for name in ("b", "a"):
        parquet.write_table(pa.table({"prompt": [f"from {name}"]}), tmp_path / "d" / f"{name}.parquet")
    assert [p.messages[0].content for p in prompts(read(tmp_path, "d"))] == ["from a", "from b"]


def test_a_dataset_saved_by_datasets(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"prompt": ["one", "two"], "tags": [["a"], []]}).save_to_disk(tmp_path / "d")
    first, second = prompts(read(tmp_path, "d"))
    assert (first.messages, first.tags, first.source) == ((Message("user", "one"),), ("a",), "d:1")
    assert (second.messages, second.tags) == ((Message("user", "two"),), ())


def test_the_splits_of_a_saved_dataset(tmp_path: Path) -> None:
    import datasets

    one, two = (datasets.Dataset.from_dict({"prompt": [word]}) for word in ("one", "two"))
    datasets.DatasetDict({"train": one, "test": two}).save_to_disk(tmp_path / "d")
    datasets.DatasetDict({"only": one}).save_to_disk(tmp_path / "single")
    assert prompts(read(tmp_path, "d#test"))[0].messages == (Message("user", "two"),)
    assert prompts(read(tmp_path, "single"))[0].messages == (Message("user", "one"),)
    assert unreadable(tmp_path, "d") == "d has the splits train, test: name one, as in d#train"
    assert unreadable(tmp_path, "d#tset") == "d has the splits train, test: there is no 'tset'; did you mean 'test'?"


def test_a_dataset_with_no_rows_is_empty_like_a_file(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"prompt": []}).save_to_disk(tmp_path / "d")
    assert unreadable(tmp_path, "d") == "d holds no prompts: it is empty"


def test_empty_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    with pytest.raises(PromptFileError, match=r"^standard input holds no prompts: it is empty$"):
        list(read_prompts("-"))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = io.BytesIO(b'{"prompt": "Hi"}\n{"promp')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=lines))
    check_prompts("-")
    good, bad = read_prompts("-")
    assert isinstance(good, Prompt)
    assert good.source == "stdin:1"
    assert isinstance(bad, RowFault)
    assert bad.source == "stdin:2"
    assert count_prompts("-") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "p.jsonl",
            None,
            "p.jsonl: no such file or folder; prompts come from a .jsonl, .csv or .parquet file, a saved dataset, "
            "a Hub id (user/name), or - for standard input",
        ),
        ("p.jsonl", b"", "p.jsonl holds no prompts: it is empty"),
        ("p.jsonl", b"\n \n", "p.jsonl holds no prompts: it is empty"),
        ("p.csv", b"", "p.csv holds no prompts: it is empty"),
        ("p.csv", b"prompt,tags\n", "p.csv holds no prompts: it is empty"),
        ("p.csv", b"prompt\ncaf\xe9\n", "p.csv: not UTF-8 at byte 10: save it as UTF-8"),
        ("p.txt", b"Hi", "p.txt: unknown kind of file '.txt': use .jsonl, .csv or .parquet"),
        ("p", b"Hi", "p: unknown kind of file '': use .jsonl, .csv or .parquet"),
    ],
)
def test_what_cannot_be_read_at_all(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    assert unreadable(tmp_path, name, content) == message
    with pytest.raises(PromptFileError) as caught:
        check_prompts(name, tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == message


def test_what_is_no_parquet(tmp_path: Path) -> None:
    assert unreadable(tmp_path, "p.parquet", b"junk").startswith("p.parquet: not a Parquet file: ")


def test_a_folder_that_holds_nothing_known(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert unreadable(tmp_path, "d") == "d: neither a dataset saved by `datasets` nor a folder of .parquet files"


def test_a_long_field_of_a_csv_is_no_fault_of_the_file(tmp_path: Path) -> None:
    (prompt,) = prompts(read(tmp_path, "p.csv", f"prompt\n{'x' * 200_000}\n"))
    assert len(prompt.messages[0].content) == 200_000


def test_the_hub_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    message = unreadable(tmp_path, "somebody/no-such-prompts")
    assert message.startswith("somebody/no-such-prompts: no such file or folder here; from the Hub it cannot be read: ")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv"])
def test_a_file_that_may_not_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("prompt\n")
    (tmp_path / name).chmod(0)
    if os.access(tmp_path / name, os.R_OK):
        pytest.skip("root may read everything")
    assert unreadable(tmp_path, name) == f"{name}: Permission denied"


@pytest.mark.parametrize("name", ["no/such/file", "folder/file.jsonl", "/somebody/name", "~somebody/name"])
def test_a_path_is_not_taken_for_a_hub_id(tmp_path: Path, name: str) -> None:
    assert unreadable(tmp_path, name).startswith(f"{name}: no such file or folder; ")


def test_how_many_there_are_is_known_where_it_is_cheap(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n\n{"prompt": "b"}\n')
    (tmp_path / "p.csv").write_text("prompt\na\n")
    assert count_prompts("p.jsonl", tmp_path) == 2
    assert count_prompts("p.csv", tmp_path) is None
    assert count_prompts("nowhere.jsonl", tmp_path) is None
