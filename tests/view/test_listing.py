"""A page is what a plain reading of all items gives, by every filter and in every order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.view.indexing import Index
from constitutional.view.listing import KINDS, ORDERS, Item, Lister, Query, phrases
from constitutional.view.schema import read_index
from tests.support.runs import Run
from tests.view.conftest import prompts

EVEN = {row["prompt"] for row in prompts() if isinstance(row, dict) and row.get("tags") == ["even"]}


@pytest.fixture(scope="module")
def lister(done: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lister]:
    path = tmp_path_factory.mktemp("listing") / "view.db"
    index = Index(done[0] / "run.db", path)
    index.sync()
    index.close()
    connection = read_index(path)
    yield Lister(connection)
    connection.close()


def walked(lister: Lister, query: Query, size: int = 5) -> list[Item]:
    """Page by page to the end."""
    found: list[Item] = []
    while True:
        page = lister.page(query, size)
        found += page.items
        if not page.more:
            return found
        query = query.past(page.items[-1])


KEYS: dict[str, Callable[[Item], float]] = {
    "order": lambda item: item.position, "newest": lambda item: -item.id, "margin": lambda item: item.margin,
    "surest": lambda item: -item.margin, "longer": lambda item: -item.gap, "shorter": lambda item: item.gap,
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_all_of_it_once_and_in_order(lister: Lister, order: str, kind: str) -> None:
    items = walked(lister, Query(kind, order))
    assert len({item.id for item in items}) == len(items) == lister.kinds()[kind]
    keys = [KEYS[order](item) for item in items]
    assert keys == sorted(keys)
    for one, following in itertools.pairwise(items):
        assert lister.next(Query(kind, order), one) == following
        assert lister.before(Query(kind, order), following) == one


@pytest.mark.parametrize("sparse", [0, 10**6])
def test_filters_leave_what_they_say(lister: Lister, sparse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the filter, or along the order: the same items."""
    monkeypatch.setattr("constitutional.view.listing.SPARSE", sparse)
    everything = walked(lister, Query())
    for tier in ("safe", "kind", "style"):
        found = walked(lister, Query(words=(("tier", tier),)))
        assert found == [item for item in everything if item.tier == tier]
        assert found
    vetoes = walked(lister, Query(words=(("mark", "veto"),)))
    assert vetoes == [item for item in everything if item.veto]
    both = walked(lister, Query(words=(("tier", "safe"), ("tag", "even"))))
    assert both == [item for item in everything if item.tier == "safe" and item.prompt in EVEN]
    assert both
    sure = walked(lister, Query(low=0.5, high=0.9))
    assert sure == [item for item in everything if 0.5 <= item.margin <= 0.9]
    assert walked(lister, Query(words=(("tier", "none such"),))) == []


@pytest.mark.parametrize("sparse", [0, 10**6])
def test_search_finds_words_phrases_and_beginnings(
    lister: Lister, sparse: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("constitutional.view.listing.SPARSE", sparse)

    def found(text: str) -> set[str]:
        return {item.prompt for item in walked(lister, Query(text=text))}

    assert found("question 13") == {"question 13 rude word"}
    assert found('"13 rude"') == {"question 13 rude word"}
    assert found('"rude 13"') == set()
    assert found("grosse") == set()
    assert found("naive größe") == {"naïve rude größe"}
    assert len(found("quest*")) == len(found("question")) > 10
    assert found("question -13 OR NEAR(1") == set()


@given(st.text(max_size=40))
def test_whatever_is_typed_is_no_error(lister: Lister, text: str) -> None:
    assert phrases(text)
    lister.page(Query.of({"q": text.encode("utf-8", "replace").decode()}))


@given(
    st.dictionaries(
        st.sampled_from(["q", "tier", "kind", "order", "low", "high", "after", "label"]), st.text(max_size=12)
    )
)
def test_whatever_stands_in_an_address_is_no_error(lister: Lister, given_: dict[str, str]) -> None:
    clean = {name: value.encode("utf-8", "replace").decode() for name, value in given_.items()}
    query = Query.of(clean)
    lister.page(query)
    assert Query.of({}) == Query()


def test_an_address_says_the_whole_query() -> None:
    from urllib.parse import parse_qsl

    query = Query("none", "margin", (("tier", "a&b"),), 0.25, None, 'x "y z"', "yes")
    assert Query.of(dict(parse_qsl(query.address()))) == query
    assert Query().address() == ""


def test_what_the_reader_has_labelled(lister: Lister) -> None:
    some = walked(lister, Query())[:3]
    lister.labelled = [item.pair for item in some]
    try:
        assert walked(lister, Query(label="yes")) == some
        assert not {item.id for item in some} & {item.id for item in walked(lister, Query(label="no"))}
    finally:
        lister.labelled = ()
