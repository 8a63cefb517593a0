"""The marker, the fixtures, and what is said where pytest is missing or a test is marked wrongly."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional import Constitution, Judgement, MissingExtraError, Setup, hookimpl
from constitutional.models.recorded import RecordedModel
from constitutional.plugins import Register
from constitutional.testing import MemoryLedger, Subject, by_length, prompt
from constitutional.testing.checks import registering


class Short:
    def __init__(self, setup: Setup) -> None:
        """Takes nothing."""

    def judge(self, prompt: Any, a: Any, b: Any, principle: Any) -> Judgement:
        p = by_length(a.text, b.text)
        return Judgement.of(a, b, principle.id, p, p, "short")


@hookimpl
def register_judges(register: Register) -> None:
    register("short", Short)


@pytest.fixture
def subject() -> Subject:
    return Subject("judge", "short", sys.modules[__name__], skip={"loads-lightly": "it is a test"})


@pytest.mark.conformance("judge")
def test_the_fixture_subject_is_examined(conformance: Callable[[], None]) -> None:
    conformance()


@pytest.mark.conformance(Subject.of("judge", "short", Short))
def test_a_subject_in_the_marker_is_examined(conformance: Callable[[], None]) -> None:
    conformance()


def test_a_model_is_recorded_in_the_ledger(
    scripted_model: Callable[..., RecordedModel], memory_ledger: MemoryLedger
) -> None:
    from constitutional import ChatRequest

    model = scripted_model(lambda request, options: {"A": 3.0, "B": 1.0})
    request = ChatRequest(prompt().messages)

    async def ask() -> list[tuple[float, ...]]:
        found = await asyncio.gather(*(model.choose(request, ("A", "B")) for _ in range(3)))
        return [choice.probabilities for choice in found]

    assert asyncio.run(ask()) == [(0.75, 0.25)] * 3
    assert (len(memory_ledger.rows), memory_ledger.reused) == (1, 2)


def test_a_failed_call_is_not_remembered(memory_ledger: MemoryLedger) -> None:
    async def fail() -> Any:
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            asyncio.run(memory_ledger.answer("key", str, fail))
    assert memory_ledger.rows == []


def test_the_tiny_constitution_has_two_tiers(tiny_constitution: Constitution) -> None:
    assert [tier.force for tier in tiny_constitution.tiers] == ["hard", "soft"]


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.delitem(sys.modules, "constitutional.testing.plugin")
    with pytest.raises(MissingExtraError, match=r"pip install 'constitutional\[testing\]'"):
        importlib.import_module("constitutional.testing.plugin")


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("", "mark it with @pytest.mark.conformance"),
        ("@pytest.mark.conformance('jugde')\n", "'jugde' is no kind of plugin: model, critic"),
    ],
)
def test_a_wrong_marker_is_said(tmp_path: Path, marker: str, message: str) -> None:
    (tmp_path / "test_it.py").write_text(f"import pytest\n{marker}def test_it(conformance):\n    conformance()\n")
    command = ("-m", "pytest", "-q", "-p", "constitutional.testing.plugin", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, *command, "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert message in done.stdout + done.stderr


LOADING = {
    "network": ("import socket\nsocket.getaddrinfo('localhost', 80)\n", "uses the network"),
    "heavy": ("import scipy\n", "imports scipy when it is loaded"),
    "prints": ("print('hello')\n", "prints when it is loaded"),
    "thread": (
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n",
        "starts 1 thr",
    ),
    "fails": ("import surely_no_such_package\n", "ModuleNotFoundError"),
    "fine": ("", ""),
}


@pytest.mark.parametrize("name", LOADING)
def test_what_loading_must_not_do_is_found(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, message = LOADING[name]
    (tmp_path / f"loads_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    subject = Subject("judge", "theirs", f"loads_{name}")
    if message:
        with pytest.raises(AssertionError, match=message):
            registering.loads_lightly(subject)
    else:
        registering.loads_lightly(subject)
