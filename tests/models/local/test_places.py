"""How many calls an engine is given: as many as leave half of its cache to what is yet to come."""

from __future__ import annotations

from constitutional.models.local.places import LEAST, MEMORY, QUEUE, SHARE, Places


def after(*tokens: int) -> Places:
    places = Places()
    for each in tokens:
        places.note(each)
    return places


def test_nobody_knows_before_the_first_answer() -> None:
    assert Places().of(100_000, 256) is None


def test_half_of_the_cache_is_for_what_is_answered() -> None:
    assert after(*[500] * 50).of(200_000, 1024) == SHARE * 200_000 / 500


def test_some_always_wait_and_never_many() -> None:
    assert after(10).of(10_000_000, 256) == QUEUE * 256
    assert after(10).of(None, 256) == QUEUE * 256, "an engine that does not tell"


def test_a_small_cache_still_gives_something_to_do() -> None:
    assert after(5_000).of(20_000, 256) == LEAST
    assert after(5_000).of(20_000, 1) == QUEUE, "but no more than an engine takes that was told to take one"


def test_what_calls_cost_is_followed_as_a_run_goes_on() -> None:
    """The first answers of a run are long, and the verdicts after them find nearly all in the cache."""
    answers = after(*[1000] * 100)
    before = answers.of(200_000, 1024)
    for _ in range(int(3 / MEMORY)):
        answers.note(50)
    later = answers.of(200_000, 1024)
    assert before is not None
    assert later is not None
    assert later > 9 * before


def test_all_of_a_prompt_in_the_cache_is_no_division_by_zero() -> None:
    assert after(0, 0).of(1_000, 8) == QUEUE * 8
