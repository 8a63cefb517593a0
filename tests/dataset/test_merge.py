"""Several runs in one folder: nothing twice, nothing lost, every row with its run; and it is a run like any other."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.cli.merge import command
from constitutional.core.records import Message, Prompt
from constitutional.core.similarity import normalised
from constitutional.dataset.manifest import read_manifest
from constitutional.dataset.same import SamePrompts
from constitutional.dataset.splits import dialogue
from constitutional.dataset.verify import verify
from constitutional.errors import ConstitutionalError, UsageError
from tests.cli.conftest import Cli, cli  # noqa: F401
from tests.support.datasets import made, prompts, rows_of
from tests.support.hub import serve_hub
from tests.support.hub_store import WRITER
from tests.support.runs import World

SUBSETS = ("preference", "sft", "unpaired", "rejects")


def merge(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs: the second repeats half of the first's prompts, and has another strategy; the third has the settings
    of the first and other prompts."""
    place = tmp_path_factory.mktemp("sources")
    rows = prompts(24)[:24]
    other = World(respond=lambda question, sample: f"{question} rude {sample}")
    given: tuple[tuple[str, list[Any], dict[str, Any]], ...] = (
        ("one", [*rows[:16], {"prompt": ""}], {}),
        ("two", [*rows[8:20], {"prompt": "QUESTION 3, nothing at all: héllo!"}],
         {"strategy": "all-pairs", "responses": 2, "world": other}),
        ("three", rows[20:], {}),
    )  # fmt: skip
    for name, own, more in given:
        (place / name).mkdir()
        made(place / name, own, **more)
    return [place / name / "run" for name in ("one", "two", "three")]


@pytest.fixture(scope="module")
def merged(sources: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("merged") / "run"
    merge(*sources, "--out", out)
    return out


def name_of(run: Path) -> str:
    (name,) = read_manifest(run / "dataset").runs
    return name


def bare(row: dict[str, Any]) -> str:
    """A row without what names it."""
    return json.dumps({key: value for key, value in row.items() if key not in ("id", "run")}, sort_keys=True)


def text_of(row: dict[str, Any]) -> str:
    return normalised("\n".join(f"{turn['role']}: {turn['content']}" for turn in row["prompt"]))


def test_every_row_is_one_of_its_run_and_no_prompt_is_there_twice(sources: list[Path], merged: Path) -> None:
    manifest = read_manifest(merged / "dataset")
    names = list(manifest.runs)
    assert names == [name_of(sources[0]), name_of(sources[1]), f"{name_of(sources[0])}-2"]
    for subset in ("preference", "sft", "unpaired"):
        there = {name: Counter(map(bare, rows_of(run, subset))) for name, run in zip(names, sources, strict=True)}
        rows = rows_of(merged, subset)
        assert rows
        for row in rows:
            there[row["run"]][bare(row)] -= 1
        assert all(count >= 0 for counts in there.values() for count in counts.values())
    runs: dict[str, str] = {}
    for row in rows_of(merged):
        assert runs.setdefault(text_of(row), row["run"]) == row["run"], "one dialogue, one run"
    everything = {text_of(row) for run in sources for row in rows_of(run)}
    assert set(runs) == everything, "what became a pair in some run is a pair here"


def test_every_prompt_of_every_run_is_accounted_for(sources: list[Path], merged: Path) -> None:
    count = "SELECT count(*) FROM traces"
    before = sum(sqlite3.connect(run / "run.db").execute(count).fetchone()[0] for run in sources)
    after = sqlite3.connect(merged / "run.db").execute(count).fetchone()[0]
    repeated = [row for row in rows_of(merged, "rejects") if row["reason"] == "duplicate_prompt"]
    assert before == after + len(repeated)
    assert len(repeated) == 9, "eight that both have, and one in other letters"
    record = read_manifest(merged / "dataset").merged
    assert record is not None
    assert [run["prompts"] - run["kept"] for run in record.runs] == [run["dropped"] for run in record.runs]
    assert sum(run["dropped"] for run in record.runs) == len(repeated)
    assert sum(row["reason"] == "bad_row" for row in rows_of(merged, "rejects")) == 1


def test_settings_that_differ_are_named(sources: list[Path], merged: Path, tmp_path: Path) -> None:
    done = merge(*sources, "--out", tmp_path / "again")
    one, two, three = read_manifest(merged / "dataset").runs
    assert f"the runs differ in strategy.plugin: revised-vs-initial ({one}, {three}); all-pairs ({two})" in done.stderr
    assert f"the runs differ in responses: 1 ({one}, {three}); 2 ({two})" in done.stderr
    record = read_manifest(merged / "dataset").merged
    assert record is not None
    assert set(record.differences) == {"strategy.plugin", "responses"}
    card = (merged / "dataset" / "README.md").read_text()
    assert f"| strategy.plugin | `{two}` | all-pairs |" in card
    assert "Merged by prompt: of dialogues that are the same" in card


def test_calls_and_the_work_of_all_are_in_the_ledger(sources: list[Path], merged: Path) -> None:
    keys = "SELECT hex(key) FROM calls"
    before = {key for run in sources for (key,) in sqlite3.connect(run / "run.db").execute(keys)}
    assert {key for (key,) in sqlite3.connect(merged / "run.db").execute(keys)} == before
    bodies = [json.loads(body) for (body,) in sqlite3.connect(merged / "run.db").execute("SELECT body FROM traces")]
    called = {call for body in bodies for judgement in body["judgements"] for call in judgement["calls"]}
    assert {call.upper() for call in called} <= before


def test_by_pair_every_prompt_is_kept_and_what_was_compared_twice_counts_once(
    sources: list[Path], tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    turned = World(prefer=lambda a, b, word: None if (p := World().prefer(a, b, word)) is None else 1 - p)
    made(twin, prompts(24)[:16], world=turned, seed=1)
    done = json.loads(
        merge(sources[0], sources[1], twin / "run", "--by", "pair", "--out", tmp_path / "m", "--json").stdout
    )
    rows = rows_of(tmp_path / "m")
    seen = [(text_of(row), frozenset((row["chosen"][0]["content"], row["rejected"][0]["content"]))) for row in rows]
    assert len(seen) == len(set(seen)) == done["pairs"]
    rejects = Counter(row["reason"] for row in rows_of(tmp_path / "m", "rejects"))
    assert rejects["duplicate_pair"] == sum(run["repeated_pairs"] for run in done["runs"]) > 0
    assert done["prompts"] == sum(run["prompts"] for run in done["runs"])
    assert 0 < done["contradicted"] <= rejects["duplicate_pair"]
    ids = [row["prompt_id"] for row in rows]
    assert any("@" in name for name in ids), "one name, two traces"
    assert verify(tmp_path / "m" / "dataset").faults == []


def test_near_duplicates_go_too(tmp_path: Path) -> None:
    longer = "Please tell me in some detail how I can send back the blue kettle that I bought in your shop"
    for name, text in (("one", f"{longer} rude"), ("two", f"{longer} rude today")):
        (tmp_path / name).mkdir()
        made(tmp_path / name, [{"prompt": text}])
    runs = [tmp_path / name / "run" for name in ("one", "two")]
    merge(*runs, "--out", tmp_path / "exact")
    merge(*runs, "--out", tmp_path / "near", "--similarity", "0.8")
    assert (len(rows_of(tmp_path / "exact")), len(rows_of(tmp_path / "near"))) == (2, 1)
    assert [row["reason"] for row in rows_of(tmp_path / "near", "rejects")] == ["near_duplicate_prompt"]


def test_a_merged_run_is_merged_again_with_its_own_runs(sources: list[Path], tmp_path: Path) -> None:
    merge(sources[0], sources[1], "--out", tmp_path / "first")
    merge(tmp_path / "first", sources[2], "--out", tmp_path / "second")
    merge(*sources, "--out", tmp_path / "at-once")
    found, wanted = ([(bare(row), row["run"]) for row in rows_of(tmp_path / name)] for name in ("second", "at-once"))
    assert found == wanted
    assert verify(tmp_path / "second" / "dataset").faults == []


def test_the_same_runs_give_the_same_bytes_and_the_sources_stay_as_they_were(
    sources: list[Path], merged: Path, tmp_path: Path
) -> None:
    from tests.support.processes import fingerprint

    before = [(run / "run.db").read_bytes() for run in sources]
    merge(*sources, "--out", tmp_path / "again")
    assert fingerprint(tmp_path / "again" / "dataset") == fingerprint(merged / "dataset")
    assert [(run / "run.db").read_bytes() for run in sources] == before


def test_it_works_with_every_command_that_looks_at_a_run(merged: Path, cli: Cli) -> None:  # noqa: F811
    said = cli("verify", str(merged), "--json")
    assert (said.code, said.json["faults"]) == (0, [])
    pairs = len(rows_of(merged))
    assert sum(run["rows"].get("preference", 0) for run in said.json["runs"].values()) == pairs
    exported = cli("export", str(merged), "--format", "trl", "--split", "all", "--out", "all.jsonl", "--json")
    assert (exported.code, exported.json["rows"]) == (0, pairs)
    watched = cli("watch", str(merged), "--json")
    assert watched.code == 0
    assert watched.json[0]["n"] > 0
    sheet = cli("sample", str(merged), "--k", "5", "--out", "sheet.jsonl", "--json")
    assert (sheet.code, sheet.json["pairs"]) == (0, 5)
    shown = cli("push", str(merged), "user/merged", "--dry-run", "--json")
    assert (shown.code, "manifest.json" in shown.json["files"]) == (0, True)
    refused = cli("pairs", str(merged))
    assert (refused.code, refused.errors) == (2, [f"error: {merged} was merged of several runs: give one of these"])
    refused = cli("generate", "--out", str(merged), "--quiet")
    assert refused.code == 2
    assert "was merged of several runs" in refused.errors[0]


def test_training_takes_its_rows(merged: Path) -> None:
    from constitutional.training.sources import Source

    source = Source(str(merged))
    assert len(list(source.rows("preference"))) == len(rows_of(merged))
    assert source.about().constitution == "words"


def test_it_is_pushed_and_loaded_equal_and_no_folder_travels(
    merged: Path, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from constitutional.cli.push import command as push

    with serve_hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        arguments = [str(merged), "user/merged", "--accept-ungated"]
        CliRunner().invoke(push, arguments, standalone_mode=False, catch_exceptions=False)
        whole = b"".join(hub.content(blob) for blob in hub.head("user/merged").values())
    rows = json.dumps([rows_of(merged, subset) for subset in SUBSETS]).encode()
    assert not any(str(run.parent.parent).encode() in whole + rows for run in sources)


def test_audit_reads_a_sheet_of_a_merged_run(merged: Path, cli: Cli) -> None:  # noqa: F811
    from constitutional.audit.labels import read_labels
    from constitutional.cli.audit.source import own_pairs, resolve

    cli("sample", str(merged), "--k", "8", "--out", "sheet.jsonl")
    rows = [json.loads(line) for line in Path("sheet.jsonl").read_text().splitlines()]
    filled = [row | {"label": "A"} for row in rows]
    Path("filled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in filled))
    flags = dict.fromkeys(
        (
            "judge",
            "model",
            "base_url",
            "price",
            "constitution",
            "max_tokens",
            "concurrency",
            "max_calls",
            "max_cost",
            "seed",
        )
    )
    source = resolve(merged, None, None, flags)
    labels, own = own_pairs(source, ["filled.jsonl"])
    assert (own, len(labels.pairs)) == (8, len(read_labels(["filled.jsonl"], Path.cwd()).pairs))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ONE"], "give at least two runs"),
        (["ONE", "ONE"], "is named twice"),
        (["ONE", "nowhere"], "nowhere is no run folder"),
        (["ONE", "TWO", "--by", "pair", "--similarity", "0.5"], "--similarity is of dialogues"),
    ],
)
def test_what_cannot_be_merged_is_said(
    sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"ONE": str(sources[0]), "TWO": str(sources[1])}
    with pytest.raises(ConstitutionalError, match=message):
        merge(*(places.get(argument, argument) for argument in arguments), "--out", "m")
    assert not Path("m", "run.db").exists()


def test_a_merge_that_was_killed_at_its_end_is_done_again(sources: list[Path], merged: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    merge(*sources, "--out", out)
    shutil.rmtree(out / "dataset")
    (out / ".merging.db").write_bytes(b"half of a ledger")
    merge(*sources, "--out", out)
    assert read_manifest(out / "dataset").content == read_manifest(merged / "dataset").content
    assert not (out / ".merging.db").exists()


def test_a_folder_that_holds_a_run_is_left_alone(sources: list[Path]) -> None:
    with pytest.raises(UsageError, match="holds a run already"):
        merge(*sources, "--out", sources[0])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a b", "A, b!", "c d", "c  d", "e"]), st.booleans()), min_size=1, max_size=12)
)
def test_of_the_same_dialogues_the_first_that_became_a_pair_is_kept(rows: list[tuple[str, bool]]) -> None:
    same = SamePrompts(1.0)
    asked = [Prompt(f"p{place}", (Message("user", text),)) for place, (text, _) in enumerate(rows)]
    for place, (prompt, (_, paired)) in enumerate(zip(asked, rows, strict=True)):
        same.add(place, prompt, paired=paired)
    for place, prompt in enumerate(asked):
        alike = [n for n, other in enumerate(asked) if normalised(dialogue(other)) == normalised(dialogue(prompt))]
        wanted = min(alike, key=lambda n: (not rows[n][1], n))
        kept = same.kept(place)
        assert (place if kept is None else kept.place) == wanted
    same.close()
