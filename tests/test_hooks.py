"""Every hook, used in a real run; and the reference of them says what they are."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional import (
    ChatReply,
    Choice,
    Critique,
    Judgement,
    ModelSetup,
    NoLogprobs,
    Register,
    Reject,
    Rewrite,
    RunInfo,
    RunResult,
    Score,
    Setup,
    Trace,
    hookspecs,
)
from constitutional.plugins import KINDS, PluginHost
from docs import make_hook_reference
from tests.support.entry_points import Install
from tests.support.runs import Run, run, tier

PLAIN = tier("style", "strong", "bad")


def hooks() -> dict[str, Callable[..., Any]]:
    """Every hook that ``hookspecs.py`` defines: pluggy puts its mark on them."""
    return {
        name: value
        for name, value in vars(hookspecs).items()
        if inspect.isfunction(value) and "constitutional_spec" in vars(value)
    }


def test_every_hook_is_documented_and_typed() -> None:
    assert {"register_judges", "run_started"} <= set(hooks())
    for name, hook in hooks().items():
        assert (hook.__doc__ or "").strip().endswith("."), name
        assert "return" in hook.__annotations__, name
        assert set(inspect.signature(hook).parameters) <= set(hook.__annotations__), name


def test_every_collecting_hook_has_a_kind_and_every_other_is_an_observer() -> None:
    collecting = {name for name in hooks() if name.startswith("register_")}
    assert set(KINDS.values()) == collecting
    assert set(hooks()) - collecting == {"run_started", "trace_finished", "run_finished"}
    for name in collecting:
        assert list(inspect.signature(hooks()[name]).parameters) == ["register"], name


def test_what_ships_is_registered_by_the_same_hooks(install: Install) -> None:
    host = install()
    names = {kind: host.names(kind) for kind in KINDS}
    assert names["model"] == ["anthropic", "openai", "pocket", "scripted", "transformers", "vllm"]
    assert {kind for kind, found in names.items() if found} == set(KINDS) - {"constitution"}
    for item in host.registered():
        assert item.config is None or json.dumps(item.config.model_json_schema())


def test_every_hook_has_a_test_of_its_own() -> None:
    assert [name for name in hooks() if not hasattr(sys.modules[__name__], f"test_hook_{name}")] == []


def test_the_reference_of_hooks_is_what_hookspecs_say() -> None:
    written = make_hook_reference.PAGE.read_text(encoding="utf-8")
    assert written == make_hook_reference.reference(), "run: python -m docs.make_hook_reference"
    assert re.findall(r"^### `(\w+)\(", written, re.MULTILINE) == list(hooks())


class Making:
    """What every factory does here: takes its setup."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup


def used(folder: Path, hook: str, factory: Callable[..., Any], **settings: Any) -> Run:
    """A run of two answers with the plugin ``mine``."""

    def function(register: Register) -> None:
        register("mine", factory)

    function.__name__ = hook
    return run(folder, ["a bad word"], PLAIN, plugin=[function], **settings)


def test_hook_register_models(tmp_path: Path) -> None:
    class Model:
        def __init__(self, setup: ModelSetup) -> None:
            self.id = setup.id
            self.identity = {"model": setup.id}

        async def chat(self, request: Any) -> ChatReply:
            return ChatReply("yes" if "Reply with one" in request.messages[-1].content else "mine says so")

        async def choose(self, request: Any, options: tuple[str, ...]) -> Choice:
            raise NoLogprobs

        async def aclose(self) -> None:
            """Holds nothing."""

    made = used(tmp_path, "register_models", Model, models={"policy": {"name": "mine:small"}})
    assert {(response.model, response.text) for response in made.trace.responses if response.round == 0} == {
        ("mine:small", "mine says so")
    }


def test_hook_register_critics(tmp_path: Path) -> None:
    class Critic(Making):
        def critique(self, prompt: Any, response: Any, principle: Any) -> Critique:
            return Critique(response.id, principle.id, False, method="mine")

    assert {one.method for one in used(tmp_path, "register_critics", Critic, critic="mine").trace.critiques} == {"mine"}


def test_hook_register_revisers(tmp_path: Path) -> None:
    class Reviser(Making):
        async def revise(self, prompt: Any, response: Any, principle: Any, critique: Any, round: int) -> Rewrite:
            return Rewrite("a fine word", model=self.setup.name)

    (revised,) = [
        one for one in used(tmp_path, "register_revisers", Reviser, reviser="mine").trace.responses if one.round
    ]
    assert (revised.text, revised.model) == ("a fine word", "mine")


def test_hook_register_judges(tmp_path: Path) -> None:
    class Judge(Making):
        def judge(self, prompt: Any, a: Any, b: Any, principle: Any) -> Judgement:
            return Judgement.of(a, b, principle.id, 0.9, 0.9, "mine")

    (pair,) = used(tmp_path, "register_judges", Judge, judge="mine").trace.pairs
    assert pair.judge_method == "mine"
    assert pair.p_chosen == pytest.approx(0.9)


def test_hook_register_scorers(tmp_path: Path) -> None:
    class Scorer(Making):
        def score(self, prompt: Any, response: Any, principle: Any) -> Score:
            return Score(response.id, principle.id, 0.9 if response.round else 0.1, "mine")

    made = used(tmp_path, "register_scorers", Scorer, scorer="mine", strategy="best-vs-worst")
    assert {score.method for score in made.trace.scores} == {"mine"}


def test_hook_register_pairings(tmp_path: Path) -> None:
    class Pairing(Making):
        async def pair(self, arena: Any) -> Sequence[Reject]:
            return [Reject(arena.prompt.id, "not_today")]

    assert used(tmp_path, "register_pairings", Pairing, strategy="mine").reject.reason == "not_today"


def test_hook_register_filters(tmp_path: Path) -> None:
    class Filter(Making):
        def check(self, pair: Any, trace: Any) -> str:
            return "not_this_one"

    assert used(tmp_path, "register_filters", Filter, filters=["mine"]).reject.reason == "not_this_one"


def test_hook_register_constitutions(tmp_path: Path) -> None:
    offered = {"name": "offered", "tiers": [tier("tone", "strong", "bad")]}
    (tmp_path / "offered.yaml").write_text(json.dumps(offered))
    made = used(tmp_path, "register_constitutions", lambda: tmp_path / "offered.yaml", constitution="mine")
    assert [pair.ruling.tier_id for pair in made.trace.pairs] == ["tone"]


def told(folder: Path, hook: str) -> list[Any]:
    """What an observer of this hook heard of a run."""
    heard: list[Any] = []
    observers: dict[str, Callable[..., None]] = {}

    def run_started(run: RunInfo, folder: Path) -> None:
        heard.append((run, folder))

    def trace_finished(trace: Trace) -> None:
        heard.append(trace)

    def run_finished(run: RunInfo, result: RunResult) -> None:
        heard.append((run, result))

    observers = {"run_started": run_started, "trace_finished": trace_finished, "run_finished": run_finished}
    run(folder, ["a bad word", "a fine word"], PLAIN, plugin=[observers[hook]])
    return heard


def test_hook_run_started(tmp_path: Path) -> None:
    ((info, folder),) = told(tmp_path, "run_started")
    assert info.config["constitution"] == "words.yaml"
    assert info.plan
    assert folder == tmp_path / "run"


def test_hook_trace_finished(tmp_path: Path) -> None:
    traces = told(tmp_path, "trace_finished")
    assert sorted(trace.prompt.messages[-1].content for trace in traces) == ["a bad word", "a fine word"]


def test_hook_run_finished(tmp_path: Path) -> None:
    ((info, result),) = told(tmp_path, "run_finished")
    assert (result.status, result.prompts) == ("complete", 2)
    assert info.plan


def test_a_hook_may_name_fewer_arguments_than_it_is_given(tmp_path: Path) -> None:
    """Arguments are only added: a plugin of today is called with those that it names."""
    heard: list[Any] = []

    def run_finished(result: RunResult) -> None:
        heard.append(result.status)

    run(tmp_path, ["a fine word"], PLAIN, plugin=[run_finished])
    assert heard == ["complete"]


def test_hosts_of_one_process_do_not_share_what_they_are_given() -> None:
    one, other = PluginHost(installed=False).load(), PluginHost(installed=False).load()

    class Mine:
        """Has no hook."""

    assert one.add(Mine(), "mine", "mine", "1").error == (
        "implements no hook: decorate its functions with constitutional.hookimpl"
    )
    assert [plugin.name for plugin in other.plugins] == ["constitutional"]
