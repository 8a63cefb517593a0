"""Dialogues as tokens: what is learned, what is cut, and what is left out rather than cut to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constitutional.core.records import Message, Messages
from constitutional.errors import RunStoppedError
from constitutional.training.data import Part
from constitutional.training.rows import Answer, Preference
from constitutional.training.tokens import Speech, answer_rows, pair_tokens

STRIPS_THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and not loop.last %}{{ m['content'].split('</think>')[-1] }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def user(text: str) -> Messages:
    return (Message("user", text),)


def says(text: str) -> Messages:
    return (Message("assistant", text),)


@pytest.fixture
def speech(tiny: Path) -> Speech:
    from transformers import AutoTokenizer

    return Speech(AutoTokenizer.from_pretrained(tiny))


def pairs(*rows: tuple[str, str, str], p: float = 0.9) -> Part[Preference]:
    made = [
        Preference(f"p{n}", user(prompt), says(chosen), says(rejected), p, 2 * p - 1)
        for n, (prompt, chosen, rejected) in enumerate(rows)
    ]
    held = Preference("held", user("Hi"), says("Yes."), says("No."), p, 2 * p - 1)
    return Part([*made], [held], len(made) + 1)


def learned(row: dict[str, Any], side: str, speech: Speech) -> str:
    tokens = [token for token, said in zip(row[f"{side}_ids"], row[f"{side}_mask"], strict=True) if said]
    text: str = speech.tokenizer.decode(tokens)
    return text


def test_the_answer_is_learned_with_its_end_and_the_prompt_is_not(speech: Speech) -> None:
    (row,) = pair_tokens(pairs(("What is the capital?", "Paris.", "I cannot help.")), speech, 100, "soft").train
    assert learned(row, "chosen", speech) == "Paris.<|im_end|>\n"
    assert learned(row, "rejected", speech) == "I cannot help.<|im_end|>\n"
    assert speech.tokenizer.decode(row["prompt_ids"]).endswith(
        "What is the capital?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert (row["p"], row["weight"]) == (0.9, 1.0)


def test_labels_as_targets_and_as_weights(speech: Speech) -> None:
    part = pairs(("a", "Yes.", "No."), ("b", "Yes.", "No."))
    part.train[1] = Preference("b", user("b"), says("Yes."), says("No."), 0.6, 0.2)
    targets = {
        labels: [(row["p"], row["weight"]) for row in pair_tokens(part, speech, 100, labels).train]
        for labels in ("soft", "hard", "margin-weighted")
    }
    assert targets["soft"] == [(0.9, 1.0), (0.6, 1.0)]
    assert targets["hard"] == [(1.0, 1.0), (1.0, 1.0)]
    assert [p for p, _ in targets["margin-weighted"]] == [1.0, 1.0]
    assert [weight for _, weight in targets["margin-weighted"]] == pytest.approx([1.6, 0.4]), "of mean 1"


def test_a_prompt_that_leaves_no_room_is_dropped_and_never_cut(speech: Speech) -> None:
    long = "What is the capital of France? " * 40
    rows = pair_tokens(pairs((long, "Paris.", "Rome."), ("Short?", "Yes.", "No.")), speech, 60, "soft")
    assert rows.dropped == {"prompt_too_long": 1}
    assert (len(rows.train), rows.cut) == (1, 0)


def test_a_long_answer_is_cut_at_its_end_and_counted(speech: Speech) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 10
    rows = pair_tokens(pairs(("Short?", f"Yes. {long}", "No.")), speech, 60, "soft")
    (row,) = rows.train
    assert rows.cut == 1
    assert len(row["prompt_ids"]) + len(row["chosen_ids"]) == 60
    assert learned(row, "chosen", speech).startswith("Yes. The quick")
    assert learned(row, "rejected", speech) == "No.<|im_end|>\n"


def test_answers_that_differ_only_after_the_cut_are_dropped(speech: Speech) -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 10
    rows = pair_tokens(pairs(("a?", f"{long} Yes.", f"{long} No."), ("b?", "Yes.", "No.")), speech, 60, "soft")
    assert rows.dropped == {"cut_alike": 1}


def test_no_row_with_room_is_said(speech: Speech) -> None:
    with pytest.raises(
        RunStoppedError, match=r"no training row of 2 .* \(dropped: prompt_too_long 2\): raise --max-length"
    ):
        pair_tokens(pairs(("What is the capital of France?", "Paris.", "Rome.")), speech, 6, "soft")


def test_a_template_that_rewrites_earlier_turns_is_noticed(speech: Speech) -> None:
    """Thinking that is dropped when another turn follows: the first answer's tokens are not those that were rendered."""
    thought = "Hm</think>Yes."
    talk = (*says(thought), *user("Sure?"), *says("Sure."))
    part = Part(
        [Answer("a", user("Hi"), talk), Answer("b", user("Hi"), says(thought))],
        [Answer("c", user("Yo"), says("Hm."))],
        3,
    )
    assert answer_rows(part, speech, 100).dropped == {}
    speech.tokenizer.chat_template = STRIPS_THINKING
    rows = answer_rows(part, speech, 100)
    assert rows.dropped == {"chat_template": 1}
    assert len(rows.train) == 1


def test_a_template_that_refuses_a_role_costs_the_row_and_no_more(speech: Speech) -> None:
    speech.tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + STRIPS_THINKING
    )
    part = pairs(("Hi", "Yes.", "No."), ("Ho", "Yes.", "No."))
    part.train[0] = Preference("s", (Message("system", "Be kind."), *user("Hi")), says("Yes."), says("No."), 0.9, 0.8)
    assert pair_tokens(part, speech, 100, "soft").dropped == {"chat_template": 1}


def test_only_the_assistants_words_are_imitated(speech: Speech) -> None:
    talk = (*says("Yes."), *user("Is that honest?"), *says("It is."))
    rows = answer_rows(Part([Answer("a", user("Hi"), talk)], [Answer("b", user("Hi"), says("Yes."))], 2), speech, 100)
    (row,) = rows.train
    assert len(row["labels"]) == len(row["input_ids"])
    assert (
        speech.tokenizer.decode([token for token in row["labels"] if token != -100])
        == "Yes.<|im_end|>\nIt is.<|im_end|>\n"
    )
