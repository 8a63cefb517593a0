"""One rule for every command that writes: what cannot be written ends with exit code 1, and what stands at --out already
and is of another kind with exit code 2."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click import Option

from constitutional.cli import COMMANDS
from constitutional.cli import cli as root
from constitutional.cli.lazy import LazyGroup
from tests.cli.conftest import Cli

TO_FOLDERS: dict[str, tuple[str, ...]] = {
    "generate": ("generate", "--model", "scripted:demo", "--limit", "2"),
    "train": ("train", "runs/shop", "--model", "pocket:base"),
    "iterate": ("iterate", "runs/shop/config.yaml", "--model", "pocket:base", "--held-out-share", "0.5"),
    "evaluate": (
        "evaluate",
        "--base",
        "scripted:demo",
        "--tuned",
        "scripted:tests.support.runs:answer",
        "--prompts",
        "prompts.jsonl",
        "--judge",
        "scripted:demo",
    ),
    "demo": ("demo",),
    "merge": ("merge", "runs/shop", "runs/other"),
    "pairs": ("pairs", "runs/shop", "--strategy", "best-vs-worst", "--accept-incomplete"),
    "export": ("export", "runs/shop", "--format", "axolotl"),
    "principles lint": ("principles", "lint", "base", "--model", "scripted:demo"),
    "principles test": ("principles", "test", "base", "--judge", "scripted:demo"),
    "plugins new": ("plugins", "new", "mine", "--kind", "judge"),
}
TO_FILES: dict[str, tuple[tuple[str, ...], str]] = {
    "sample": (("sample", "runs/shop", "--out"), "sheet.csv"),
    "report": (("report", "runs/shop", "--out"), "page.html"),
    "report --png": (("report", "runs/shop", "--png"), "plots"),
    "audit": (("audit", "runs/shop", "--labels", "labels.jsonl", "--out"), "card.json"),
    "export": (("export", "runs/shop", "--format", "trl", "--out"), "pairs.jsonl"),
    "export answers": (("export", "runs/shop", "--format", "answers", "--out"), "answers.jsonl"),
    "principles new": (("principles", "new", "mine", "--out"), "mine.yaml"),
    "principles import": (("principles", "import", "rules.md", "--out"), "mine.yaml"),
    "principles test --junit": ((*TO_FOLDERS["principles test"], "--junit"), "outcomes.xml"),
}


@pytest.fixture
def shop(cli: Cli, tmp_path: Path) -> Cli:
    """Two runs, a sheet with a label, a document of rules, and a file that is in the way."""
    prompts = [{"prompt": f"Where is my parcel number {number}?"} for number in range(8)]
    Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    made = cli("generate", "--model", "scripted:demo", "--prompts", "prompts.jsonl", "--out", "runs/shop", "--quiet")
    assert made.code == 0
    shutil.copytree("runs/shop", "runs/other")
    assert cli("sample", "runs/shop", "--out", "labels.jsonl").code == 0
    rows = [json.loads(line) | {"label": "a"} for line in Path("labels.jsonl").read_text().splitlines()]
    Path("labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("rules.md").write_text("# Rules\n\n- Be kind to everyone.\n- Never lie to anyone.\n")
    Path("taken").write_text("precious")
    return cli


CASES = [(name, (*words, "--out"), "out") for name, words in TO_FOLDERS.items()]
CASES += [(name, *rest) for name, rest in TO_FILES.items()]


@pytest.mark.parametrize(("name", "words", "target"), CASES, ids=[case[0] for case in CASES])
def test_what_cannot_be_written_is_a_failure(
    shop: Cli, tmp_path: Path, name: str, words: tuple[str, ...], target: str
) -> None:
    for place in (f"taken/{target}", f"taken/deep/{target}"):
        made = shop(*words, place)
        assert made.code == 1, made
        assert made.errors[-1].replace(f"{tmp_path}/", "") == (
            f"error: {place}: cannot be written: taken is a file, no folder; choose another place, or make this one writable"
        )
    assert Path("taken").read_text() == "precious"


@pytest.mark.parametrize("name", TO_FOLDERS)
def test_a_file_where_a_folder_is_to_be_is_a_usage_error(shop: Cli, tmp_path: Path, name: str) -> None:
    made = shop(*TO_FOLDERS[name], "--out", "taken")
    assert made.code == 2, made
    assert re.match(r"error: (--out )?taken (is a file|exists): ?", made.errors[-1].replace(f"{tmp_path}/", ""))
    assert Path("taken").read_text() == "precious"


def test_no_command_with_an_out_is_forgotten() -> None:
    found = set()
    for group, names in (
        ("", COMMANDS),
        ("principles ", _group("principles").lines),
        ("plugins ", _group("plugins").lines),
    ):
        for name in names:
            command = _group(group.strip()).get_command(None, name)  # type: ignore[arg-type]
            if command is not None and any(isinstance(o, Option) and "--out" in o.opts for o in command.params):
                found.add(f"{group}{name}")
    assert found == {name for name, _, _ in CASES if "--" not in name and name != "export answers"}


def _group(name: str) -> LazyGroup:
    group = root.get_command(None, name) if name else root  # type: ignore[arg-type]
    assert isinstance(group, LazyGroup)
    return group
