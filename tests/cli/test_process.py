"""The command line in a process of its own: what it loads, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{0}":
            raise ModuleNotFoundError("No module named '{0}'", name="{0}")
sys.meta_path.insert(0, NotInstalled())
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "CONSTITUTIONAL"))}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=keep | {"CONSTITUTIONAL_PLUGINS": ""} | environment,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("package", "model", "message"),
    [
        ("openai", "openai:gpt-4o-mini", "openai is not installed: pip install 'constitutional[openai]'"),
        ("anthropic", "anthropic:claude", "anthropic is not installed: pip install 'constitutional[anthropic]'"),
        ("vllm", "vllm:some/model", "vllm is not installed: pip install 'constitutional[vllm]'"),
        (
            "transformers",
            "transformers:some/model",
            "transformers is not installed: pip install 'constitutional[transformers]'",
        ),
    ],
)
def test_a_missing_extra_says_what_to_install(tmp_path: Path, package: str, model: str, message: str) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "Where is my parcel?"}\n')
    made = python(
        f"{WITHOUT.format(package)}\n"
        f"import os; os.chdir({str(tmp_path)!r});"
        f"sys.argv = ['constitutional', 'generate', '--prompts', 'p.jsonl', '--model', {model!r}];"
        "from constitutional.cli import main; main()",
        OPENAI_API_KEY="none",
        ANTHROPIC_API_KEY="none",
    )
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr == f"error: {message}\n"


HEAVY = (
    "torch", "vllm", "transformers", "datasets", "openai", "anthropic", "pyarrow", "pydantic", "jinja2", "yaml",
    "starlette", "uvicorn", "asyncio", "sqlite3", "constitutional.pipeline", "constitutional.plugins",
)  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    made = python(
        f"import sys; sys.argv = ['constitutional', *{arguments!r}]\n"
        "from constitutional.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    assert made.returncode == 0
    assert made.stderr == "[]\n"


def test_importing_the_package_loads_nothing_heavy() -> None:
    made = python(f"import sys, constitutional; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert made.stdout == "[]\n"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """As in ``constitutional plugins --json | head -1``."""
    call = "import sys; sys.argv = ['constitutional', 'plugins', '--json']; from constitutional.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert (process.wait(timeout=60), said) == (1, "")
