from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.messages import Choice, Usage
from constitutional.errors import RequestRefusedError
from constitutional.models.local.options import Answer, Tokens, choose, spellings

END = 999


def letters(text: str) -> list[int]:
    """A tokenizer whose tokens are characters."""
    return [ord(letter) for letter in text]


def words(text: str) -> list[int]:
    """A tokenizer that knows every text as one token."""
    return [hash(text) % 10**9 + 1000]


class Table:
    """A language model given as P(reply) for some whole replies; the rest of its mass is on other replies."""

    def __init__(self, replies: dict[str, float]) -> None:
        self.replies = replies
        self.asked: list[str] = []

    def beginning(self, text: str) -> float:
        return sum(p for reply, p in self.replies.items() if reply.startswith(text))

    async def ask(self, tokens: Tokens, ids: Tokens) -> Answer:
        so_far = "".join(map(chr, tokens))
        self.asked.append(so_far)
        whole = self.beginning(so_far) if so_far else 1.0
        part = {i: self.replies.get(so_far, 0.0) if i == END else self.beginning(so_far + chr(i)) for i in ids}
        logs = {i: math.log(p / whole) if p else -math.inf for i, p in part.items()}
        return logs, Usage(prompt=10 + len(tokens), completion=1, cached=8)


def chosen(table: Table, *options: str) -> Choice:
    return asyncio.run(choose(spellings(options, letters), {END}, table.ask))


def test_one_question_where_first_tokens_differ() -> None:
    table = Table({"A": 0.6, "B, I think": 0.2, " A": 0.1, "no": 0.1})
    choice = asyncio.run(choose([s for s in spellings(("A", "B"), letters) if s.main], {END}, table.ask))
    assert table.asked == [""]
    assert choice.probabilities == pytest.approx((0.75, 0.25))
    assert choice.mass == pytest.approx(0.8)
    assert (choice.method, choice.usage) == ("logprobs", Usage(10, 1, 8))


def test_spellings_with_and_without_a_space_are_summed() -> None:
    table = Table({"A": 0.3, " A": 0.3, " B": 0.2, "B": 0.1})
    choice = chosen(table, "A", "B")
    assert table.asked == ["", " "]
    assert choice.probabilities == pytest.approx((6 / 9, 3 / 9))
    assert choice.mass == pytest.approx(0.9)
    assert choice.usage == Usage(21, 2, 16)


def test_an_option_that_begins_another_ends_the_reply() -> None:
    table = Table({"1": 0.3, "10": 0.2, "12": 0.1, "2": 0.2, "20": 0.1})
    choice = chosen(table, "1", "2", "10")
    assert choice.probabilities == pytest.approx((0.3 / 0.8, 0.3 / 0.8, 0.2 / 0.8))
    assert choice.mass == pytest.approx(0.8)
    assert "1" in table.asked
    assert "2" not in table.asked


def test_a_shared_beginning_is_followed_to_the_token_that_tells() -> None:
    table = Table({"(A)": 0.5, "(B)": 0.25, " (B)": 0.25})
    assert chosen(table, "(A)", "(B)").probabilities == pytest.approx((0.5, 0.5))
    assert chosen(table, " (A)", " (B)").probabilities == pytest.approx((0.5, 0.5))


def test_a_rare_spelling_costs_no_question() -> None:
    table = Table({"A": 0.6, "B": 0.3, " A": 1e-6})
    chosen(table, "A", "B")
    assert table.asked == [""]


def test_no_weight_on_any_option_is_unreadable() -> None:
    choice = chosen(Table({"no": 1.0}), "A", "B")
    assert not choice.readable
    assert choice.mass == 0.0


def test_very_small_weights_are_still_compared() -> None:
    async def ask(_: Tokens, ids: Tokens) -> Answer:
        return {i: -800.0 + math.log(3) * at for at, i in enumerate(ids)}, Usage()

    probabilities = asyncio.run(choose(spellings(("A", "B"), words), {END}, ask)).probabilities
    assert sum(probabilities) == pytest.approx(1)
    assert probabilities[0] < probabilities[1]


@pytest.mark.parametrize("options", [(), ("",), ("A", "A"), ("A", " A")])
def test_options_must_be_distinct_and_not_empty(options: tuple[str, ...]) -> None:
    with pytest.raises(RequestRefusedError, match="distinct"):
        spellings(options, letters)


def test_options_that_the_tokenizer_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(RequestRefusedError, match="cannot tell '☃' apart"):
        spellings(("☂", "☃"), lambda text: [0])


@given(st.dictionaries(st.text("01", min_size=1, max_size=4), st.floats(0.01, 1.0), min_size=1, max_size=8))
def test_a_model_that_only_says_the_options_is_read_exactly(weights: dict[str, float]) -> None:
    """Whatever the options share, each gets its own probability."""
    total = sum(weights.values())
    table = Table({option: weight / total for option, weight in weights.items()})
    choice = chosen(table, *weights)
    assert choice.probabilities == pytest.approx([weight / total for weight in weights.values()])
    assert choice.mass == pytest.approx(1.0)
    assert len(table.asked) == len(set(table.asked))
