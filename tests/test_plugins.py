from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import constitutional.plugins
from constitutional.core.records import Message, Prompt, Trace
from constitutional.errors import PluginError, UnknownNameError
from constitutional.hookspecs import hookimpl
from constitutional.plugins import BUILTIN, KINDS, PluginHost, Register
from constitutional.roles import RunInfo, RunResult
from tests.support.entry_points import Entry, Install, entry, errors, offering, raising

TRACED = Trace(Prompt("p", (Message("user", "?"),)))


JUDGES = ["pairwise-logprob", "pairwise-cot", "rubric", "panel", "reward-model", "rules", "pocket-oracle"]
"""What ships, in the order of registration."""


def works(host: PluginHost) -> bool:
    """What ships is there, whatever the strangers do."""
    return errors(host)[BUILTIN] is None and host.get("judge", "pairwise-logprob").distribution == BUILTIN


def test_a_good_plugin(install: Install) -> None:
    host = install(entry("mine", offering("my-judge", dict)))
    found = host.get("judge", "my-judge")
    assert (found.kind, found.name, found.factory) == ("judge", "my-judge", dict)
    assert (found.distribution, found.version) == ("their-plugin", "1.2")
    assert host.names("judge") == [*JUDGES, "my-judge"]
    assert errors(host) == {BUILTIN: None, "mine": None}


def test_a_plugin_may_be_an_object(install: Install) -> None:
    class Mine:
        @hookimpl
        def register_judges(self, register: Register) -> None:
            register("my-judge", dict)

    host = install(Entry("mine", Mine))
    assert host.get("judge", "my-judge").factory is dict


def test_one_plugin_may_offer_things_of_every_kind(install: Install) -> None:
    def hook(name: str) -> Callable[..., Any]:
        def function(register: Register) -> None:
            register("theirs", list)

        function.__name__ = name
        return function

    host = install(entry("mine", *(hook(name) for name in KINDS.values())))
    assert {item.kind for item in host.registered() if item.name == "theirs"} == set(KINDS)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (raising(ImportError("No module named 'nowhere'")), "does not load: ImportError: No module named 'nowhere'"),
        (raising(AttributeError("module has no attribute 'x'\nmore")), "does not load: AttributeError: module has no "
         "attribute 'x'"),
        (raising(SystemExit(3)), "does not load: SystemExit: 3"),
        (raising(ValueError()), "does not load: ValueError"),
        (lambda: ModuleType("empty"), "implements no hook: decorate its functions with constitutional.hookimpl"),
    ],
    ids=["import error", "long message", "exit", "no message", "no hook"],
)  # fmt: skip
def test_one_that_does_not_load_is_shown_and_breaks_nothing(
    install: Install, load: Callable[[], Any], message: str
) -> None:
    host = install(Entry("bad", load), entry("good", offering("my-judge"), dist="good-plugin"))
    assert errors(host)["bad"] == message
    assert host.get("judge", "my-judge").distribution == "good-plugin"
    assert works(host)


def test_an_interrupt_while_loading_is_an_interrupt(install: Install) -> None:
    with pytest.raises(KeyboardInterrupt):
        install(Entry("slow", raising(KeyboardInterrupt())))


def test_a_misspelt_hook_says_which_was_meant(install: Install) -> None:
    def register_judge(register: Register) -> None:
        register("my-judge", list)

    host = install(entry("bad", register_judge))
    assert str(errors(host)["bad"]).startswith("unknown hook 'register_judge'; did you mean 'register_judges' or ")
    assert host.names("judge") == JUDGES
    assert works(host)


def test_a_misspelt_hook_of_an_object_without_a_dictionary(install: Install) -> None:
    class Slotted:
        __slots__ = ()

        @hookimpl
        def trace_finishd(self, trace: Trace) -> None:
            """Never called."""

    error = errors(install(Entry("bad", Slotted)))["bad"]
    assert str(error).startswith("unknown hook 'trace_finishd'; did you mean 'trace_finished' or ")


def test_an_argument_that_a_hook_does_not_have(install: Install) -> None:
    def register_judges(register: Register, colour: str) -> None:
        register("my-judge", list)

    host = install(entry("bad", register_judges))
    assert "colour" in str(errors(host)["bad"])
    assert host.names("judge") == JUDGES
    assert works(host)


@pytest.mark.parametrize("error", [RuntimeError("no licence"), SystemExit("no licence")])
def test_one_that_raises_while_registering_offers_nothing(install: Install, error: BaseException) -> None:
    def register_critics(register: Register) -> None:
        register("my-critic", list)

    def register_judges(register: Register) -> None:
        raise error

    def run_started(run: RunInfo, folder: Path) -> None:
        raise AssertionError("a failed plugin does not observe")

    host = install(entry("bad", register_critics, register_judges, run_started))
    assert errors(host)["bad"] == f"fails while registering: {type(error).__name__}: no licence"
    assert host.names("critic") == ["llm", "pocket-oracle"]
    assert not host.observers("run_started")
    assert works(host)


def test_a_name_that_the_allow_list_leaves_out_says_so(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", "other")
    with pytest.raises(UnknownNameError, match=r"\(CONSTITUTIONAL_PLUGINS leaves out: mine\)"):
        install(entry("mine", offering("my-judge"))).get("judge", "my-judge")


def test_what_a_plugin_prints_goes_to_standard_error(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    def register_judges(register: Register) -> None:
        print("hello")

    install(entry("mine", register_judges)).load()
    assert capsys.readouterr() == ("", "hello\n")


def test_a_name_of_another_kind_says_which(install: Install) -> None:
    with pytest.raises(UnknownNameError, match=r"no judge named 'pointwise'.*\(it is a scorer\)"):
        install().get("judge", "pointwise")


class NoModel:
    """Options that pydantic does not know."""


@pytest.mark.parametrize(
    ("name", "factory", "config", "said"),
    [
        ("", list, None, "register('', …): the name is a text, such as 'my-judge'"),
        ("mine", [], None, "register('mine', …): the factory cannot be called: give the class list, not one of it"),
        ("mine", list, NoModel, "config=NoModel: options are a class derived from pydantic.BaseModel"),
    ],
)
def test_what_nobody_could_use_is_said_where_it_is_registered(
    install: Install, name: str, factory: Any, config: Any, said: str
) -> None:
    host = install(entry("bad", offering(name, factory, config)))
    assert said in str(errors(host)["bad"])
    assert works(host)


def test_a_failed_plugin_is_fatal_only_where_its_name_is_wanted(install: Install) -> None:
    host = install(Entry("bad", raising(ImportError("no torch"))))
    with pytest.raises(UnknownNameError) as caught:
        host.get("judge", "my-judge")
    assert str(caught.value) == (
        f"no judge named 'my-judge'; known: {', '.join(sorted(JUDGES))} "
        "(plugins that failed: their-plugin (does not load: ImportError: no torch))"
    )


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "judge",
            "pairwise-logprop",
            "no judge named 'pairwise-logprop'; did you mean 'pairwise-logprob' or 'pairwise-cot'?",
        ),
        ("pairing", "tournamnet", "no strategy named 'tournamnet'; did you mean 'tournament'?"),
        ("model", "opanai", "no model provider named 'opanai'; did you mean 'openai'?"),
        ("constitution", "x", "no constitution named 'x'"),
    ],
)
def test_an_unknown_name_lists_near_matches(install: Install, kind: str, name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        install().get(kind, name)
    assert str(caught.value) == message


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    host = install(
        entry("first", offering("my-judge"), dist="one-judge"), entry("second", offering("my-judge"), dist="two-judge")
    )
    problem = "judge 'my-judge' is offered by both one-judge and two-judge"
    with pytest.raises(PluginError) as caught:
        host.get("judge", "my-judge")
    assert str(caught.value) == f"{problem}: uninstall one, or choose with CONSTITUTIONAL_PLUGINS"
    assert errors(host)["second"] == problem
    assert works(host)


def test_a_stranger_does_not_replace_what_ships(install: Install) -> None:
    host = install(entry("bold", offering("pairwise-logprob"), offering("pairwise-logprob")))
    assert errors(host)["bold"] == "judge 'pairwise-logprob' is offered by both constitutional and their-plugin"
    assert works(host)


def test_nor_does_its_constitution_hide_behind_one_that_ships(install: Install) -> None:
    def register_constitutions(register: Register) -> None:
        register("base", lambda: Path("base.yaml"))

    host = install(entry("bold", register_constitutions))
    assert errors(host)["bold"] == "constitution 'base' is offered by both constitutional and their-plugin"
    assert works(host)


def test_two_distributions_may_have_one_entry_point_name(install: Install) -> None:
    heard: list[str] = []

    def listening(who: str) -> Callable[..., Any]:
        def trace_finished(trace: Trace) -> None:
            heard.append(who)

        return trace_finished

    host = install(
        entry("judges", offering("one"), listening("one"), dist="first"),
        entry("judges", offering("two"), listening("two"), dist="second"),
        entry(BUILTIN, offering("three"), listening("three"), dist="third"),
    )
    assert [plugin.error for plugin in host.plugins] == [None] * 4
    assert host.names("judge") == [*JUDGES, "three", "one", "two"]
    host.observe("trace_finished", trace=TRACED)
    assert sorted(heard) == ["one", "three", "two"]


def test_one_module_behind_two_entry_points_is_registered_once(install: Install) -> None:
    mine = entry("first", offering("my-judge"))
    host = install(mine, Entry("second", mine.load))
    assert errors(host)["first"] is None
    assert str(errors(host)["second"]).startswith("fails while registering: ValueError: Plugin ")
    assert host.get("judge", "my-judge")


@pytest.mark.parametrize(
    ("listed", "loaded"),
    [
        ("mine", {"mine"}),
        ("their-plugin", {"mine", "yours"}),
        (" yours , other-plugin ", {"yours", "other"}),
        ("", set()),
        (",", set()),
        ("nothing-like-it", set()),
    ],
)
def test_the_allow_list_is_of_entry_points_or_distributions(
    install: Install, monkeypatch: pytest.MonkeyPatch, listed: str, loaded: set[str]
) -> None:
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", listed)
    imported: list[str] = []

    def noting(name: str, dist: str) -> Entry:
        made = entry(name, offering(name), dist=dist)

        def load() -> Any:
            imported.append(name)
            return made.load()

        return Entry(name, load, made.dist)

    host = install(noting("mine", "their-plugin"), noting("yours", "their-plugin"), noting("other", "other-plugin"))
    assert set(imported) == loaded
    assert set(errors(host)) == {BUILTIN} | loaded
    assert works(host)


def test_nothing_is_loaded_before_a_name_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constitutional.plugins, "entry_points", raising(AssertionError("loaded")))
    assert PluginHost().plugins == []


def test_observers_are_told_and_one_that_raises_is_reported_once(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Any] = []

    def trace_finished(trace: Trace) -> None:
        heard.append(trace)

    def broken() -> Callable[..., Any]:
        def trace_finished(trace: Trace) -> None:
            raise RuntimeError("disk full\nand more")

        return trace_finished

    host = install(entry("bad", broken(), dist="bad-plugin"), entry("good", trace_finished, dist="good-plugin"))
    assert host.observers("trace_finished")
    assert not host.observers("run_finished")
    for _ in range(3):
        host.observe("trace_finished", trace=TRACED)
    assert heard == [TRACED] * 3
    assert capsys.readouterr().err == (
        "warning: plugin bad (bad-plugin): trace_finished failed: RuntimeError: disk full\n"
    )


def test_observers_get_what_the_specification_says(install: Install) -> None:
    heard: list[tuple[Any, ...]] = []

    def run_started(run: RunInfo, folder: Path) -> None:
        heard.append((run, folder))

    def run_finished(result: RunResult) -> None:
        heard.append((result,))

    host = install(entry("mine", run_started, run_finished))
    info, result = RunInfo({}, "plan"), RunResult("complete", 1, 1)
    host.observe("run_started", run=info, folder=Path("x"))
    host.observe("run_finished", run=info, result=result)
    assert heard == [(info, Path("x")), (result,)]


def test_hook_calls_are_printed_when_asked_for(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(entry("mine", offering("my-judge")))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CONSTITUTIONAL_PLUGIN_TRACE", "1")
    install(entry("mine", offering("my-judge")))
    assert "register_judges" in capsys.readouterr().err
