"""Filters of a whole run: they see the pairs in the order of the prompts, and what they drop is a view of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.records import Drop, Message, Pair, Prompt, Response, Ruling, Trace
from constitutional.errors import PluginError
from constitutional.ledger.sifted import without
from constitutional.pipeline.run_filters import sift
from constitutional.roles import Dropped, SetFilter


def trace(name: str, *values: int) -> Trace:
    """Pairs whose chosen answers say these numbers."""
    pairs = []
    for n, value in enumerate(values):
        a, b = (Response(f"{name}.{n}{side}", name, text, "m", n, "") for side, text in (("a", str(value)), ("b", "-")))
        pairs.append(Pair(name, a, b, 0.9, 0.8, "s", Ruling(a.id, b.id, 0.9, "t"), "logprobs"))
    return Trace(Prompt(name, (Message("user", name),)), pairs=tuple(pairs))


def value(pair: Pair) -> int:
    return int(pair.chosen.text)


class Once:
    """Keeps the first of each number."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def sift(self, pair: Pair, trace: Trace) -> Dropped:
        if value(pair) in self.seen:
            return "again"
        self.seen.add(value(pair))
        return None


class UnderMean:
    """Keeps what is not over the mean of all that it surveyed."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def survey(self, pair: Pair, trace: Trace) -> None:
        self.values.append(value(pair))

    def sift(self, pair: Pair, trace: Trace) -> Dropped:
        return Drop("large", f"{value(pair)}") if value(pair) > sum(self.values) / len(self.values) else None


class Odd:
    def sift(self, pair: Pair, trace: Trace) -> Dropped:
        return "odd" if value(pair) % 2 else None


Numbers = Sequence[Sequence[int]]
FILTERS: dict[str, Callable[[], SetFilter]] = {"once": Once, "under-mean": UnderMean, "odd": Odd}


def kept(numbers: Numbers, names: Sequence[str]) -> list[int]:
    """What should be left, one filter after the other over the whole list."""
    left = [number for row in numbers for number in row]
    for name in names:
        if name == "once":
            left = list(dict.fromkeys(left))
        if name == "under-mean" and left:
            mean = sum(left) / len(left)
            left = [number for number in left if number <= mean]
        if name == "odd":
            left = [number for number in left if number % 2 == 0]
    return left


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=8),
    st.lists(st.sampled_from(sorted(FILTERS)), max_size=4),
)
def test_each_filter_sees_what_those_before_it_keep(numbers: Numbers, names: list[str]) -> None:
    traces = [trace(f"p{place}", *row) for place, row in enumerate(numbers)]
    passes = 0

    def again() -> Iterator[Trace]:
        nonlocal passes
        passes += 1
        return iter(traces)

    made = [without(each, drops) for each, drops in sift(again, [FILTERS[name]() for name in names])]
    assert [value(pair) for each in made for pair in each.pairs] == kept(numbers, names)
    assert passes == 1 + names.count("under-mean")
    for before, after in zip(traces, made, strict=True):
        assert len(after.pairs) + len(after.rejects) == len(before.pairs)


def test_a_broken_filter_of_the_run_ends_it_with_its_name() -> None:
    class Broken:
        def sift(self, pair: Pair, trace: Trace) -> Dropped:
            raise ValueError("no idea")

    with pytest.raises(PluginError, match="a filter of the run failed: Broken: ValueError: no idea"):
        list(sift(lambda: [trace("p", 1)], [Broken()]))
