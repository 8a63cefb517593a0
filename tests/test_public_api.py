"""What plugins rely on does not change by accident."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pluggy
import pytest

import constitutional
import constitutional.plugins
from constitutional import hookspecs
from constitutional.hookspecs import PLUGIN_API, PluginDeprecation
from constitutional.plugins import Register
from tests.support.entry_points import Entry, Install, entry, errors, offering
from tests.support.signatures import PAGE, signatures

MAJOR, MINOR = PLUGIN_API


def test_every_public_signature_is_what_was_written_down() -> None:
    known, now = PAGE.read_text(encoding="utf-8").splitlines(), signatures()
    gone = [line for line in known if line not in now]
    assert gone == [], "a plugin may rely on these: deprecate first, and raise the first number of PLUGIN_API"
    assert now == known, "something was added: raise the second number, then python -m tests.support.signatures"


def test_everything_public_is_there() -> None:
    for name in constitutional.__all__:
        assert getattr(constitutional, name) is not None


def written_for(api: Any) -> Entry:
    made = entry("mine", offering("my-judge"))
    module = made.load()
    module.plugin_api = api
    return Entry("mine", lambda: module)


@pytest.mark.parametrize("api", [(MAJOR, MINOR), (MAJOR, 0), None])
def test_a_plugin_of_this_api_is_taken(install: Install, api: Any) -> None:
    assert errors(install(written_for(api)))["mine"] is None


@pytest.mark.parametrize(
    ("api", "message"),
    [
        ((MAJOR, MINOR + 1), f"is written for plugin API {MAJOR}.{MINOR + 1}, and this is 1.0: upgrade constitutional"),
        ((MAJOR + 1, 0), f"is written for plugin API {MAJOR + 1}.0, and this is 1.0: upgrade constitutional"),
        ((MAJOR - 1, 9), f"is written for plugin API {MAJOR - 1}.9, and this is 1.0: upgrade the plugin"),
        ("1.0", "plugin_api = '1.0': two whole numbers are expected, such as (1, 0)"),
        ((1, 0, 0), "plugin_api = (1, 0, 0): two whole numbers are expected, such as (1, 0)"),
    ],
)
def test_one_that_cannot_work_says_which_to_upgrade(install: Install, api: Any, message: str) -> None:
    host = install(written_for(api))
    assert errors(host)["mine"] == message
    assert "my-judge" not in host.names("judge")


def test_a_deprecated_hook_warns_and_works(
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    older = ModuleType("older")
    vars(older).update({name: value for name, value in vars(hookspecs).items() if name.startswith("re")})

    def register_judges(register: Register) -> None:
        """Judges, under a name that goes."""

    gone = PluginDeprecation("register_judges is register_arbiters now")
    vars(older)["register_judges"] = pluggy.HookspecMarker("constitutional")(warn_on_impl=gone)(register_judges)
    monkeypatch.setattr(constitutional.plugins, "hookspecs", older)
    host = install(entry("mine", offering("my-judge")))
    (plugin,) = [plugin for plugin in host.plugins if plugin.name == "mine"]
    assert plugin.notes == (str(gone),)
    assert capsys.readouterr().err == f"warning: plugin mine (their-plugin): deprecated: {gone}\n"
    assert "my-judge" in host.names("judge")


def test_a_deprecation_while_loading_is_noted_and_other_warnings_are_not_swallowed(
    install: Install,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = entry("mine", offering("my-judge"))

    def load() -> Any:
        warnings.warn("old_name is new_name now", PluginDeprecation, stacklevel=1)
        warnings.warn("something else", UserWarning, stacklevel=1)
        return made.load()

    with pytest.warns(UserWarning, match="something else"):
        host = install(Entry("mine", load))
    (plugin,) = [plugin for plugin in host.plugins if plugin.name == "mine"]
    assert (plugin.notes, plugin.error) == (("old_name is new_name now",), None)
    assert capsys.readouterr().err == "warning: plugin mine (their-plugin): deprecated: old_name is new_name now\n"


def test_a_slow_plugin_is_named(
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(constitutional.plugins, "SLOW", 0.0)
    install(entry("mine", offering("my-judge")))
    assert (
        "plugin mine (their-plugin) took 0.0 s to load: it should import what is heavy inside"
        in capsys.readouterr().err
    )
