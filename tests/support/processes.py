"""`constitutional` as a process of its own, and datasets as bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "constitutional", "generate")


def write_prompts(path: Path, count: int, start: int = 0) -> Path:
    lines = [
        {"prompt": f"Question {n}: what should I know about item {n} before I order it from the shop?"}
        for n in range(start, start + count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def start(*arguments: str) -> subprocess.Popen[str]:
    """With a standard input that stays open."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def generate(*arguments: str, expect: int = 0) -> dict[str, Any]:
    """The JSON result of a whole run."""
    done = subprocess.run(
        [*COMMAND, "--quiet", "--json", *arguments], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == expect, f"exit {done.returncode}: {done.stderr}\n{done.stdout}"
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def environment() -> dict[str, str]:
    """Of this process, without keys and addresses that would change what a run does."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "ANTHROPIC_"))}


def fingerprint(dataset: Path) -> dict[str, str]:
    """Every file of a dataset folder and the digest of its bytes."""
    files: Sequence[Path] = sorted(path for path in dataset.rglob("*") if path.is_file())
    assert files
    return {str(path.relative_to(dataset)): sha256(path.read_bytes()).hexdigest() for path in files}
