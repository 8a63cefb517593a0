from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from constitutional.audit.labels import read_labels
from constitutional.audit.pairs import Labelled
from constitutional.audit.sample import How, sample
from constitutional.audit.sheet import as_csv, as_jsonl, write_sheet
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.digest import pair_id
from constitutional.core.records import Judgement, Message, Prompt, Response, Ruling, Trace
from constitutional.errors import UsageError

GOOD = Constitution("good", "1", (Tier("main", "strong", (Principle("good", "Be good."),)),))


def trace(name: str, p_ab: float | None, p_ba: float | None, a: str = "", b: str = "") -> Trace:
    messages = (Message("system", "S"), Message("user", f"=Question {name}?"))
    prompt = Prompt(name, messages)
    one, other = (
        Response(f"{name}.{k}", name, text, f"model-{k}", k, "") for k, text in enumerate((a or f"A {name}", b or "B"))
    )
    judged = Judgement.of(one, other, "good", p_ab, p_ba, "logprobs")
    p = judged.p if judged.p != 0.5 else None
    return Trace(prompt, (one, other), judgements=(judged,), rulings=(Ruling(one.id, other.id, p, "main"),))


TRACES = [trace(f"{n:03}", 0.5 + n / 250, 0.5 + n / 250 - (n % 10) / 30) for n in range(100)]


def names(drawn: Sequence[Labelled]) -> list[str]:
    return [one.prompt.id for one in drawn]


def test_the_least_sure_are_those_nearest_to_one_half() -> None:
    margins = {one.prompt.id: abs(2 * (one.judgements[0].p or 0.5) - 1) for one in TRACES}
    drawn = sample(TRACES, GOOD, 10, "lowest-margin", 0)
    assert max(margins[one.prompt.id] for one in drawn) <= sorted(margins.values())[10]


def test_the_most_disputed_are_those_whose_orders_differ_most() -> None:
    drawn = sample(TRACES, GOOD, 10, "most-disagreement", 0)
    assert {one.prompt.id[-1] for one in drawn} == {"9"}


def test_strata_give_some_of_every_confidence() -> None:
    drawn = sample(TRACES, GOOD, 20, "stratified", 0)
    margins = [abs(2 * (one.judgements[0].p or 0.5) - 1) for one in TRACES if one.prompt.id in set(names(drawn))]
    strata = [min(int(margin * 5), 4) for margin in margins]
    present = {min(int(abs(2 * (one.judgements[0].p or 0.5) - 1) * 5), 4) for one in TRACES}
    assert len(drawn) == 20
    assert set(strata) == present
    assert max(strata.count(one) for one in present) - min(strata.count(one) for one in present) <= 1


@pytest.mark.parametrize("how", get_args(How))
def test_the_draw_depends_on_the_run_and_the_seed_alone(how: How) -> None:
    drawn = sample(TRACES, GOOD, 15, how, 0)
    assert drawn == sample(TRACES[::-1], GOOD, 15, how, 0)
    assert len({one.id for one in drawn}) == 15
    assert names(drawn) != sorted(names(drawn))


def test_sides_are_drawn_by_lot_and_say_nothing_of_who_wrote_them() -> None:
    drawn = sample(TRACES, GOOD, 100, "random", 0)
    assert 30 < sum(one.a.text == "B" for one in drawn) < 70
    for sheet in (as_jsonl(drawn), as_csv(drawn)):
        assert "model-" not in sheet
        assert not any(word in sheet for word in ("0.5", "logprobs", "revis"))


def test_a_veto_and_a_tie_can_be_drawn_too() -> None:
    tied = trace("tied", None, None)
    (one,) = sample([tied], GOOD, 5, "lowest-margin", 0)
    assert one.id == pair_id(tied.prompt.messages, "A tied", "B")


def test_equal_answers_and_what_was_not_judged_are_left_out() -> None:
    same = trace("same", 0.9, 0.9, "same", "same")
    unjudged = Trace(TRACES[1].prompt, TRACES[1].responses, rulings=TRACES[1].rulings)
    assert sample([same, unjudged], GOOD, 5, "random", 0) == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_sheet_comes_back_as_it_went(tmp_path: Path, suffix: str) -> None:
    nasty = [trace("1", 0.9, 0.9, "=HYPERLINK(0)", "'+1\r\nnext"), trace("2", 0.9, 0.9, '"q", ;', "-2\n\n\tx")]
    drawn = sample(nasty, GOOD, 5, "random", 0)
    path = tmp_path / f"sheet{suffix}"
    write_sheet(path, drawn, "how")
    text = path.read_bytes().decode("utf-8-sig")
    filled = text.replace('"label": null', '"label": "a"').replace('"","",', '"a","",')
    path.write_bytes(filled.encode("utf-8"))
    labels = read_labels([path.name], tmp_path)
    assert [(one.id, one.a.text, one.b.text) for one in labels.pairs] == [
        (one.id, one.a.text, one.b.text) for one in drawn
    ]
    assert [one.prompt.messages for one in labels.pairs] == [one.prompt.messages for one in drawn]
    assert [(one.side, one.drawn_by) for one in labels.pairs] == [(1, "random")] * 2


def test_no_cell_begins_like_a_formula() -> None:
    cells = [
        cell
        for row in csv.reader(io.StringIO(as_csv(sample([trace("1", 0.9, 0.9, "=1+1", "@x")], GOOD, 1, "random", 0))))
        for cell in row
    ]
    assert "'=1+1" in cells
    assert not any(cell[:1] in ("=", "+", "-", "@") for cell in cells)


def test_a_sheet_that_is_being_filled_in_is_left_alone(tmp_path: Path) -> None:
    drawn = sample(TRACES, GOOD, 3, "random", 0)
    path = tmp_path / "sheet.jsonl"
    write_sheet(path, drawn, "how")
    write_sheet(path, sample(TRACES, GOOD, 3, "random", 1), "how")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["label"] = "b"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="somebody has begun to fill in this sheet"):
        write_sheet(path, drawn, "how")
    assert path.read_bytes() == before


def test_no_other_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "mine"}\n')
    with pytest.raises(UsageError, match="is no labelling sheet"):
        write_sheet(tmp_path / "mine.jsonl", sample(TRACES, GOOD, 3, "random", 0), "how")
    with pytest.raises(UsageError, match=r"a \.csv or a \.jsonl file"):
        write_sheet(tmp_path / "mine.xlsx", [], "how")
