"""`constitutional pairs`: another strategy of a finished run, from its ledger alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from constitutional.cli.generate import command as generate_command
from constitutional.cli.pairs import command
from constitutional.dataset.write import write_dataset
from constitutional.errors import ConstitutionalError, UsageError
from constitutional.ledger import LedgerView, RunFolder
from constitutional.pipeline.run_filters import sift_run
from tests.support.datasets import rows_of
from tests.support.processes import fingerprint, write_prompts
from tests.support.runs import Run, World, run, tier

TIERS = (tier("safety", "hard", "bad"), tier("style", "soft", "rude"))
STRATEGIES = ("revised-vs-initial", "best-vs-worst", "best-vs-random", "mu-minus-2-sigma", "max-margin", "all-pairs",
              "tournament", "pareto")  # fmt: skip
FAULTS = ("fine", "rude fine", "bad fine", "rude rude fine", "bad rude fine")


def respond(question: str, sample: int) -> str:
    """Each answer has its own faults; some prompts have answers that are all alike."""
    if "same" in question:
        return "fine"
    return f"{FAULTS[(len(question) + 3 * sample) % len(FAULTS)]} {sample}"


def prompts(count: int = 10) -> list[Any]:
    rows: list[Any] = [{"prompt": f"question {'x' * n}", "tags": ["shop"] if n % 3 else []} for n in range(count)]
    return [*rows, "same for all", {"prompt": ""}, rows[0]]


def made(folder: Path, strategy: str, rows: list[Any] | None = None, *, tiers: Any = TIERS, **settings: Any) -> Run:
    folder.mkdir(exist_ok=True)
    settings = {"responses": 3, "rounds": 1, "test_fraction": 0.3} | settings
    return run(folder, rows or prompts(), *tiers, world=World(respond=respond), strategy=strategy, **settings)


def finish(folder: Path, filters: Any = None) -> None:
    """What `generate` does when the run has ended."""
    from constitutional.config.run import RunConfig
    from constitutional.pipeline.setup import check
    from constitutional.plugins import PluginHost

    place = RunFolder(folder / "run")
    with LedgerView(place.ledger) as view:
        config = RunConfig.model_validate_json(view.meta("config") or "")
    sift_run(place, check(config, PluginHost(), folder).run_filters, complete=True)
    write_dataset(place, complete=True)


def pairs(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


def figures(*arguments: str | Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pairs(*arguments, "--json").stdout)["strategies"]
    return found


@pytest.fixture
def asked_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A run whose ledger holds every score and every comparison: it was made with several strategies in turn."""

    def make(**settings: Any) -> Path:
        for strategy in ("best-vs-worst", "tournament", "all-pairs"):
            made(tmp_path, strategy, **settings)
        finish(tmp_path)
        monkeypatch.chdir(tmp_path)
        return tmp_path / "run"

    return make


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_from_the_ledger_is_that_of_a_run_of_its_own(
    asked_of_all: Callable[..., Path], strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes in every file of the dataset, with filters of pairs and of the whole run; and no call."""
    settings: dict[str, Any] = {
        "filters": ["identical", {"plugin": "duplicate-answers", "options": {"most": 2}}],
        "min_margin": 0.05,
    }
    source = asked_of_all(**settings)
    (row,) = figures(source, "--strategy", strategy, "--out", "retold")
    own = made(tmp_path / "own", strategy, **settings)
    monkeypatch.chdir(tmp_path / "own")
    finish(tmp_path / "own")
    assert row["missing_calls"] == 0
    assert fingerprint(tmp_path / "retold" / "dataset") == fingerprint(tmp_path / "own" / "run" / "dataset")
    written = rows_of(tmp_path / "retold")
    assert row["pairs"] == len(written) > 0
    assert row["prompts"] == own.result.prompts
    assert row["mean_margin"] == pytest.approx(sum(r["margin"] for r in written) / len(written))
    assert row["mean_p"] == pytest.approx(sum(r["p_chosen"] for r in written) / len(written))
    longer = [len(r["chosen"][0]["content"]) - len(r["rejected"][0]["content"]) for r in written]
    assert row["length_difference"] == pytest.approx(sum(longer) / len(longer))
    assert row["tiers"] == Counter(r["deciding_tier"] for r in written)
    assert row["conflicts"] == sum(bool(r["conflicts"]) for r in written)


def test_what_is_written_is_a_run_that_generate_finds_complete(
    asked_of_all: Callable[..., Path], tmp_path: Path
) -> None:
    source = asked_of_all()
    before = (source / "run.db").read_bytes()
    pairs(source, "--strategy", "max-margin:pairs=2", "--out", "again")
    assert (source / "run.db").read_bytes() == before
    written = fingerprint(tmp_path / "again" / "dataset")
    prompts_file, constitution = tmp_path / "prompts.jsonl", tmp_path / "words.yaml"
    config = (tmp_path / "again" / "config.yaml").read_text()
    assert "pairs: 2" in config
    flags = ["--prompts", str(prompts_file), "--constitution", str(constitution), "--json", "--quiet"]
    result = CliRunner().invoke(generate_command, [str(tmp_path / "again" / "config.yaml"), *flags],
                                standalone_mode=False, catch_exceptions=False)  # fmt: skip
    said = json.loads(result.stdout)
    assert (said["calls_made"], said["status"]) == (0, "complete")
    assert fingerprint(tmp_path / "again" / "dataset") == written


@pytest.mark.parametrize("strategy", ["all-pairs", "max-margin", "revised-vs-initial"])
@pytest.mark.parametrize("logprobs", [True, False])
def test_the_calls_that_are_missing_are_those_that_a_run_then_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, logprobs: bool
) -> None:
    """Exactly, where what is asked does not depend on what is answered, and no answer is barred: two that are need not be
    compared."""
    tiers = (tier("kind", "strong", "bad", "rude"),)
    made(tmp_path, "best-vs-worst", tiers=tiers, logprobs=logprobs)
    monkeypatch.chdir(tmp_path)
    (row,) = figures(tmp_path / "run", "--compare", strategy)
    after = made(tmp_path, strategy, tiers=tiers, logprobs=logprobs)
    assert row["missing_calls"] == after.result.calls_made > 0
    assert row["rejects"]["not_asked"] == row["missing_prompts"]
    assert figures(tmp_path / "run", "--compare", strategy)[0]["missing_calls"] == 0


@pytest.mark.parametrize("strategy", ["tournament", "mu-minus-2-sigma", "pareto", "best-vs-random", "best-vs-worst"])
@pytest.mark.parametrize("before", ["revised-vs-initial", "tournament"])
def test_of_strategies_that_decide_as_they_go_it_says_how_many_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, before: str
) -> None:
    """Also where the ledger holds some of the comparisons that may come, and not those that do come."""
    made(tmp_path, before)
    monkeypatch.chdir(tmp_path)
    (row,) = figures("run", "--compare", strategy)
    after = made(tmp_path, strategy)
    assert row["missing_calls"] >= after.result.calls_made
    assert (row["missing_calls"] == 0) == (before == strategy)
    assert figures("run", "--compare", strategy)[0]["missing_calls"] == 0


def test_the_table_has_all_strategies_and_marks_the_runs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "max-margin")
    finish(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = pairs(tmp_path / "run").stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(STRATEGIES)]] == [
        "max-margin", *(name for name in STRATEGIES if name != "max-margin")
    ]  # fmt: skip
    assert lines[1].startswith("max-margin *")
    assert lines[0].split()[-2:] == ["safety", "style"]
    own = rows_of(tmp_path / "run")
    assert int(lines[1].split()[2]) == len(own)


def test_a_strategy_that_needs_options_is_left_out_of_the_table_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydantic import BaseModel

    from constitutional.builtin.pairings.exhaustive import all_pairs
    from constitutional.plugins import PluginHost, Registered

    class Options(BaseModel):
        most: int
        among: str = "all"

    made(tmp_path, "all-pairs")
    monkeypatch.chdir(tmp_path)
    load = PluginHost.load

    def with_another(host: PluginHost) -> PluginHost:
        load(host)._registry["pairing", "mine"] = Registered("pairing", "mine", all_pairs, Options, "mine", "1")
        return host

    monkeypatch.setattr(PluginHost, "load", with_another)
    said = pairs("run", "--json")
    assert [row["strategy"] for row in json.loads(said.stdout)["strategies"]].count("mine") == 0
    assert said.stderr.startswith("note: left out: mine: ")
    (row,) = figures("run", "--compare", "mine:most=1")
    assert row["pairs"] > 0, row


def test_what_was_not_asked_is_no_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "best-vs-worst")
    finish(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"all-pairs needs up to \d+ calls about \d+ prompts .*--accept-incomplete"):
        pairs("run", "--strategy", "all-pairs", "--out", "part")
    assert not Path("part").exists()
    pairs("run", "--strategy", "all-pairs", "--out", "part", "--accept-incomplete")
    reasons = Counter(row["reason"] for row in rows_of(Path("part"), "rejects"))
    (row,) = figures("run", "--compare", "all-pairs")
    assert reasons["not_asked"] == row["missing_prompts"] > 0
    assert len(rows_of(Path("part"))) == row["pairs"]
    assert "It is incomplete: not every prompt was finished (incomplete)." in Path("part/dataset/README.md").read_text()


def test_prompts_that_were_not_admitted_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*prompts(4), {"prompt": "call 555-0100 or write to ann@example.com"}]
    made(tmp_path, "all-pairs", rows, filters=["personal-data"])
    finish(tmp_path, ["personal-data"])
    monkeypatch.chdir(tmp_path)
    (row,) = figures("run", "--strategy", "max-margin", "--out", "out")
    assert row["rejects"]["personal_data"] == 1
    assert [r["reason"] for r in rows_of(Path("out"), "rejects")].count("personal_data") == 1


def test_another_margin_is_another_table(asked_of_all: Callable[..., Path]) -> None:
    source = asked_of_all()
    (low,), (high,) = figures(source, "--strategy", "all-pairs"), figures(
        source, "--strategy", "all-pairs", "--min-margin", "0.9"
    )  # fmt: skip
    assert high["pairs"] < low["pairs"]
    assert high["pairs"] + high["rejects"]["below_margin"] == low["pairs"]


@pytest.mark.parametrize(
    ("strategy", "scores", "comparisons"),
    [
        ("revised-vs-initial", 0, 0), ("best-vs-worst", 4, 1), ("best-vs-random", 4, 1), ("mu-minus-2-sigma", 4, 1),
        ("pareto", 4, 1), ("max-margin", 0, 6), ("all-pairs", 0, 6), ("tournament", 0, 5),
    ],
)  # fmt: skip
def test_the_plan_of_a_run_says_what_each_strategy_asks(
    strategy: str, scores: int, comparisons: int, tmp_path: Path
) -> None:
    """Of four answers, with nothing revised; and of the judge's calls none is left out."""
    asked = write_prompts(tmp_path / "prompts.jsonl", 3)
    flags = ["--model", "scripted:demo", "--prompts", str(asked), "--constitution", "base", "--out", str(tmp_path / "run"),
             "--responses", "4", "--rounds", "0", "--dry-run", "--strategy", strategy]  # fmt: skip
    shown = CliRunner().invoke(generate_command, flags, standalone_mode=False, catch_exceptions=False).stdout
    many = f"{scores} scores and {comparisons} comparison{'' if comparisons == 1 else 's'}"
    assert f"  per prompt up to {many}, each under every principle that applies" in shown
    planned = CliRunner().invoke(generate_command, [*flags, "--json"], standalone_mode=False, catch_exceptions=False)
    said = json.loads(planned.stdout)
    judged = said["high"].get("judge", {"calls": 0})["calls"]
    assert judged == comparisons * 2 * 6 * said["prompts"], "both orders, six principles"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "all-pears"], "no strategy named 'all-pears'; did you mean 'all-pairs'"),
        (["--compare", "max-margin:pairs"], "'pairs' is no option: write max-margin:name=value"),
        (["--compare", "max-margin:pair=2"], "pair"),
        (["--compare", "all-pairs", "--strategy", "pareto"], "give one of them"),
        (["--out", "x"], "--out needs --strategy"),
        (["--strategy", "max-margin", "--out", "run"], "holds a run already"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    made(tmp_path, "max-margin", prompts(2))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConstitutionalError, match=message):
        pairs("run", *arguments)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConstitutionalError, match="is no run folder"):
        pairs(tmp_path)
