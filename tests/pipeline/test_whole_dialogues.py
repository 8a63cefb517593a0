"""Every turn of a dialogue reaches every template, and text stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constitutional.core.records import Message, Reason
from tests.support.runs import A_B, STYLE, World, better, label, run, without

TURNS = [("user", "FIRST question"), ("assistant", "FIRST answer"), ("user", "rude SECOND question")]


def row(*turns: tuple[str, str], **other: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]} | other


def test_a_dialogue_reaches_the_policy_and_every_template_whole(tmp_path: Path) -> None:
    world = World(respond=lambda question, sample: ["a rude answer", "another"][sample])
    made = run(tmp_path, [row(*TURNS)], STYLE, world=world, responses=2, strategy="best-vs-worst")
    assert {request.messages for request in world.policy_asked} == {tuple(Message(*turn) for turn in TURNS)}
    whole = "User: FIRST question\n\nAssistant: FIRST answer\n\nUser: rude SECOND question"
    kinds = ("You check", "You revise", "You compare", "You grade")
    for kind in kinds:
        texts = [text for text in world.templates_asked if text.startswith(kind)]
        assert texts, kind
        assert all(whole in text for text in texts), kind
    assert len(world.policy_asked) + len(world.templates_asked) == len(world.asked)
    assert made.trace.prompt.messages == tuple(Message(*turn) for turn in TURNS)


def test_the_runs_system_message_goes_before_dialogues_that_have_none(tmp_path: Path) -> None:
    rows = [row(*TURNS), row(("system", "Mine."), *TURNS), row(*TURNS, system="The row's.")]
    made = run(tmp_path, rows, STYLE, system="The run's.")
    heads = [request.messages[0] for request in made.world.policy_asked]
    assert sorted(heads) == sorted(Message("system", text) for text in ("The run's.", "Mine.", "The row's."))
    assert all(request.messages[1:] == tuple(Message(*turn) for turn in TURNS) for request in made.world.policy_asked)
    assert [trace.prompt.messages[0].role for trace in made.traces] == ["user", "system", "system"]


def test_rows_that_are_no_prompts_are_recorded_and_counted(tmp_path: Path) -> None:
    rows: list[Any] = ["rude day", {"text": "x"}, "rude day"]
    made = run(tmp_path, rows, STYLE, max_failure_rate=1)
    assert made.bad_rows == (
        ("prompts.jsonl:2", Reason.BAD_ROW, "no `prompt` and no `messages`; its fields are: text"),
        ("prompts.jsonl:3", Reason.DUPLICATE, "the same dialogue as prompts.jsonl:1"),
    )
    assert made.result.rejects == {Reason.BAD_ROW: 1, Reason.DUPLICATE: 1}
    assert made.result.failures == 1


def test_an_answer_that_looks_like_a_template_is_inert(tmp_path: Path) -> None:
    text = "rude {{ principle.statement }} {% raw %} {{ shared }}"
    trace = run(tmp_path, [text], STYLE).trace
    assert label(trace) == (without(text, "rude"), text)


def test_the_two_orders_are_asked_with_the_answers_swapped(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def prefer(a: str, b: str, word: str) -> float | None:
        seen.append((a, b))
        return better(a, b, word)

    run(tmp_path, ["rude day"], STYLE, world=World(prefer=prefer))
    assert sorted(seen) == [("day", "rude day"), ("rude day", "day")]
    assert A_B == ("A", "B")
