"""The index says what the traces say, after whatever happened to the run."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from constitutional.core.records import Reject
from constitutional.ledger import LedgerView, RunFolder, record_sifted
from constitutional.view.indexing import Index
from constitutional.view.schema import FORMAT, open_index, read_index
from tests.support.runs import Run, World, run
from tests.view.conftest import TIERS, prompts

Row = tuple[object, ...]


def content(path: Path) -> list[Row]:
    """What it says, without the numbers it goes by."""
    connection = read_index(path)
    rows = connection.execute(
        "SELECT prompt_id, n, kind, margin, tier, why, chosen FROM items ORDER BY 1, 2"
    ).fetchall()
    rows += connection.execute("SELECT field, word, items FROM words WHERE items > 0 ORDER BY 1, 2").fetchall()
    rows += connection.execute("SELECT kind, items FROM kinds ORDER BY 1").fetchall()
    rows += connection.execute(
        "SELECT field, word, count(*) FROM links JOIN words USING (number) GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    connection.close()
    return rows


def built(run_folder: Path, path: Path) -> list[Row]:
    index = Index(run_folder / "run.db", path)
    index.sync()
    index.close()
    return content(path)


def test_every_pair_and_every_prompt_without_one_is_an_item(done: tuple[Path, Run], tmp_path: Path) -> None:
    folder, made = done
    rows = built(folder, tmp_path / "view.db")
    items = [row for row in rows if len(row) == 7]
    pairs = [(trace.prompt.id, n) for trace in made.traces for n in range(len(trace.pairs))]
    without = [(trace.prompt.id, -1) for trace in made.traces if not trace.pairs]
    assert sorted((str(row[0]), row[1]) for row in items) == sorted(pairs + without)
    assert ("tier", "kind", sum(row[4] == "kind" for row in items)) in rows


def test_in_steps_it_is_what_it_is_at_once(done: tuple[Path, Run], tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    folder, _ = done
    monkeypatch.setattr("constitutional.view.indexing.BATCH", 7)
    index = Index(folder / "run.db", tmp_path / "steps.db")
    steps = []
    while read := index.sync(7):
        steps.append(read)
        index.close()
        index = Index(folder / "run.db", tmp_path / "steps.db")
    index.close()
    assert len(steps) > 3
    assert content(tmp_path / "steps.db") == built(folder, tmp_path / "view.db")


def test_traces_that_replace_others_replace_their_items(tmp_path: Path) -> None:
    """Other answers for every prompt, in the same folder: nothing of the old ones is left, and the counts are right."""
    path = tmp_path / "view.db"
    run(tmp_path, prompts()[:20], *TIERS)
    first = built(tmp_path / "run", path)
    run(tmp_path, prompts()[:24], *TIERS, world=World(), min_margin=0.99)
    second = built(tmp_path / "run", path)
    assert second != first
    assert second == built(tmp_path / "run", tmp_path / "fresh.db")


def test_a_trace_made_anew_under_the_same_plan_is_read_again(tmp_path: Path) -> None:
    run(tmp_path, prompts()[:8], *TIERS)
    path, ledger = tmp_path / "view.db", tmp_path / "run" / "run.db"
    built(tmp_path / "run", path)
    connection = sqlite3.connect(ledger, isolation_level=None)
    for place in (3, 8):
        row = connection.execute("SELECT * FROM traces WHERE rowid = ?", (place,)).fetchone()
        body = row[-1].replace("question", "another")
        connection.execute("INSERT OR REPLACE INTO traces VALUES (?,?,?,?,?,?,?,?)", (*row[:-2], f"new{place}", body))
    connection.close()
    rows = built(tmp_path / "run", path)
    assert rows == built(tmp_path / "run", tmp_path / "fresh.db")
    assert sum("another" in str(row[-1]) for row in rows if len(row) == 7) == 2


def test_pairs_that_the_run_dropped_at_its_end_are_no_pairs_any_more(tmp_path: Path) -> None:
    made = run(tmp_path, prompts()[:8], *TIERS)
    path, name = tmp_path / "view.db", next(trace.prompt.id for trace in made.traces if trace.pairs)
    before = built(tmp_path / "run", path)
    ledger = RunFolder(tmp_path / "run").ledger
    record_sifted(ledger, [(name, {0: Reject(name, "near_identical_responses", "why")})])
    dropped = built(tmp_path / "run", path)
    assert [row for row in dropped if row[:3] == (name, 0, 2)]
    assert (2, 1) in dropped
    record_sifted(ledger, [])
    assert built(tmp_path / "run", path) == before


def test_an_index_of_another_version_or_a_damaged_one_is_made_anew(done: tuple[Path, Run], tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    path.write_bytes(b"this is no database at all" * 100)
    whole = built(done[0], path)
    connection = open_index(path)
    connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    assert built(done[0], path) == whole


def test_looking_changes_nothing_in_the_run(done: tuple[Path, Run], tmp_path: Path) -> None:
    with LedgerView(done[0] / "run.db") as view:
        before = list(view.rows("SELECT name, sql FROM sqlite_master ORDER BY name"))
        built(done[0], tmp_path / "view.db")
        assert list(view.rows("SELECT name, sql FROM sqlite_master ORDER BY name")) == before
