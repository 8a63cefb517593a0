"""What a terminal is shown of answers, errors and settings holds nothing that it obeys."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Cli
from tests.support.runs import World, run, tier

HOSTILE = "bad \x1b]0;title\x07\x1b[31mred\x9b2J \u202eturned <script>\x08"


def harmless(text: str) -> bool:
    return all(one == "\n" or one.isprintable() for one in text)


def made(folder: Path) -> str:
    found = run(folder, [{"prompt": HOSTILE, "tags": ["\x1b[5mtag"]}], tier("safe", "hard", "bad"), world=World())
    return found.trace.prompt.id


def test_explain(cli: Cli, tmp_path: Path) -> None:
    name = made(tmp_path)
    done = cli("principles", "explain", "run", name)
    assert done.code == 0
    assert harmless(done.out)
    assert "<script>" in done.out
    assert "redturned" in done.out.replace(" ", "") or "red" in done.out


def test_errors_watch_report_and_sheets(cli: Cli, tmp_path: Path) -> None:
    made(tmp_path)
    for arguments in (
        ("watch", "run"),
        ("report", "run"),
        ("sample", "run"),
        ("watch", "no\x1b[31msuch"),
        ("generate", "--strategy", "a\x9bb"),
    ):
        done = cli(*arguments)
        assert harmless(done.out + done.err), arguments
    page = Path("run/report.html").read_text()
    assert harmless(page.replace("\t", ""))
    sheet = [json.loads(line) for line in Path("run/sheet.jsonl").read_text().splitlines()]
    assert sheet[0]["prompt"] == HOSTILE, "a sheet is data: as it is, in JSON"
