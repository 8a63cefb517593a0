"""A source of prompts that is slow, or stands still: whoever ends the run does not wait for it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from constitutional.config.run import RunConfig
from constitutional.errors import LedgerError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.run import run_prompts
from constitutional.plugins import PluginHost
from tests.support.processes import start

PROMPT = json.dumps({"prompt": "Where is my parcel?"}).encode() + b"\n"


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_pipe_that_stays_open_keeps_nobody(tmp_path: Path, signals: list[signal.Signals]) -> None:
    out = tmp_path / "run"
    process = start("--prompts", "-", "--model", "scripted:demo", "--out", str(out), "--quiet")
    assert process.stdin is not None
    try:
        process.stdin.write(PROMPT.decode())
        process.stdin.flush()
        while not _running(out):
            assert process.poll() is None
            time.sleep(0.02)
        for number in signals:
            process.send_signal(number)
        assert process.wait(timeout=60) == 130
        assert "Traceback" not in process.stderr.read()  # type: ignore[union-attr]
    finally:
        process.kill()
        process.communicate()
    with LedgerView(out / "run.db") as view:
        assert view.meta("status") == "interrupted"


def _running(out: Path) -> bool:
    if not RunFolder(out).started:
        return False
    try:
        with LedgerView(out / "run.db") as view:
            return view.meta("status") == "running"
    except LedgerError:  # its tables are not made yet
        return False


class Still:
    """One prompt, and then nothing until it is let go."""

    def __init__(self) -> None:
        self.asked, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield PROMPT
            self.asked.set()
            self.go.wait()
            yield PROMPT
        finally:
            self.closed.set()


def test_nothing_is_read_behind_the_last_prompt_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    still, folder = Still(), RunFolder(tmp_path / "run")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=still))
    config = RunConfig.model_validate({"prompts": "-", "limit": 1})
    folder.create()
    asyncio.run(asyncio.wait_for(run_prompts(config, folder, PluginHost(installed=False), tmp_path), 60))
    assert not still.asked.is_set()


def test_a_task_that_is_cancelled_while_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """It ends at once, and the rows are closed by the thread that reads them, when it is back."""
    still, folder = Still(), RunFolder(tmp_path / "run")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=still))
    config = RunConfig.model_validate({"prompts": "-", "models": {"policy": {"name": "scripted:demo"}}})
    folder.create()

    async def cancelled() -> None:
        running = asyncio.create_task(run_prompts(config, folder, PluginHost().load(), tmp_path))
        await asyncio.to_thread(still.asked.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    try:
        asyncio.run(cancelled())
        assert not still.closed.is_set()
    finally:
        still.go.set()
    assert still.closed.wait(60)
    assert not list(recwarn)
