from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from constitutional.cli import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """What went wrong, without what is said of the scripted stand-in and of a judge that nobody measured."""
        notes = ("no --model given: ", "note: nobody has measured this judge")
        return [line for line in self.err.splitlines() if not line.startswith(notes)]


Cli = Callable[..., Outcome]
GOOD = '{"prompt": "Where is my parcel?"}\n'
"""A file of prompts."""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``constitutional ARGS`` in an empty folder, as where torch is not installed: what stands in for a model is the
    scripted one. An exception that is no exit fails the test: a traceback is a bug."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("constitutional.cli.resolve.missing_for_pocket", lambda: ["torch"])
    monkeypatch.setenv("CONSTITUTIONAL_PLUGINS", "")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["constitutional", *arguments])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Outcome(int(left.value.code or 0), said.out, said.err)

    return run


def put(**files: str) -> None:
    """Files in this folder: ``p_jsonl`` is p.jsonl."""
    for name, text in files.items():
        Path(name.replace("_", ".")).write_text(text, encoding="utf-8")


def generate(cli: Cli, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and errors, of a run that says nothing else."""
    made = cli("generate", *arguments)
    assert made.out == ""
    return made.code, made.errors
