"""A disk that fills up in mid-run: one clear line, and everything that was saved is still there."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from constitutional.ledger import LedgerView
from tests.support.processes import environment, fingerprint, generate, write_prompts

ROOM = 600_000


def limit_files() -> None:
    """Any file that grows beyond this fails to be written, as on a full disk (SIGXFSZ is ignored by Python)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def test_a_full_disk_stops_the_run_and_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    prompts = str(write_prompts(tmp_path / "prompts.jsonl", 300))
    arguments = ("--model", "scripted:demo", "--prompts", prompts)
    command = [sys.executable, "-m", "constitutional", "generate", *arguments, "--out", str(tmp_path / "run")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), preexec_fn=limit_files, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "the disk is full or failing" in line
    assert "free some space and run again" in line
    assert "Traceback" not in done.stderr

    with LedgerView(tmp_path / "run" / "run.db") as view:
        saved = view.one("SELECT count(*) FROM calls")
    assert saved > 0
    again = generate(*arguments, "--out", str(tmp_path / "run"))
    whole = generate(*arguments, "--out", str(tmp_path / "whole"))
    assert again["calls_made"] == whole["calls_made"] - saved
    assert fingerprint(tmp_path / "run" / "dataset") == fingerprint(tmp_path / "whole" / "dataset")
