"""Which tests share a worker where several run side by side: those of a file, and all that share the vLLM engine. And the
toolkit as a wheel, built once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import constitutional.plugins
from constitutional.plugins import ALLOW_LIST, TRACE, PluginHost
from tests.support.entry_points import Entry
from tests.support.wheels import build

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = "vllm" if item.get_closest_marker("vllm") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (built,) = build([ROOT], tmp_path_factory.mktemp("wheel"))
    return built


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PluginHost]:
    """A host that finds these entry points."""
    monkeypatch.delenv(ALLOW_LIST, raising=False)
    monkeypatch.delenv(TRACE, raising=False)

    def installed(*entries: Entry) -> PluginHost:
        def found(group: str) -> list[Entry]:
            assert group == "constitutional"
            return list(entries)

        monkeypatch.setattr(constitutional.plugins, "entry_points", found)
        return PluginHost().load()

    return installed
