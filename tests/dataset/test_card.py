"""The numbers on the card are those of the ledger, counted here in SQL; and the Hub's library takes its metadata."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.dataset.lengths import PLOT
from tests.support.datasets import made, prompts
from tests.support.runs import World

Ask = Callable[..., list[tuple[Any, ...]]]
EACH = "FROM traces, json_each(traces.body, '$.{0}') AS item"


def respond(question: str, sample: int) -> str:
    """Answers of several lengths and faults, so that tiers, vetoes, conflicts and ties all come up."""
    return (
        f"{question} {('rude', 'bad', 'long', 'fine long', 'rude long')[(len(question) + sample) % 5]} {'x' * sample}"
    )


def prefer(a: str, b: str, word: str) -> float | None:
    """Some verdicts hang on the order, and some cannot be read."""
    if word == "long" and len(a) % 7 == 0:
        return None
    return 0.8 if len(a) % 5 == 0 else 0.5 + 0.4 * ((word not in a) - (word not in b))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    world = World(respond=respond, prefer=prefer, violates=lambda answer, word: (
        None if word == "long" and len(answer) % 11 == 0 else 0.9 if word in answer else 0.1))  # fmt: skip
    made(folder, prompts(40), world=world, responses=3, strategy="all-pairs", min_margin=0.05)
    return folder / "run"


@pytest.fixture(scope="module")
def card(written: Path) -> str:
    return (written / "dataset" / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def ask(written: Path) -> Ask:
    connection = sqlite3.connect(f"file:{written / 'run.db'}?mode=ro", uri=True)
    return lambda query, *values: connection.execute(query, values).fetchall()


def section(card: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r}"
    return found.group(1)


def table(card: str, title: str) -> dict[str, list[str]]:
    """First cell → the others."""
    rows = [line for line in section(card, title).splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]
    return {first: rest for first, *rest in cells}


def number(cell: str) -> int:
    return int(cell.split()[0].replace(",", ""))


def test_what_was_made(card: str, ask: Ask) -> None:
    found = {name: cells[0] for name, cells in table(card, "Numbers").items()}
    ((asked, paired),) = ask("SELECT count(*), sum(pairs > 0) FROM traces")
    ((sampled, revised),) = ask(
        f"SELECT sum(item.value ->> '$.round' = 0), sum(item.value ->> '$.round' > 0) {EACH.format('responses')}"
    )
    ((count, p, margin),) = ask("SELECT count(*), avg(p_chosen), avg(margin) FROM pairs")
    ((vetoes, conflicts),) = ask(
        "SELECT sum(item.value ->> '$.ruling.vetoed_by' IS NOT NULL),"
        f" sum(json_array_length(item.value, '$.ruling.conflicts') > 0) {EACH.format('pairs')}"
    )
    assert (number(found["prompts"]), number(found["prompts with a pair"])) == (asked, paired)
    assert (number(found["responses sampled"]), number(found["revisions"])) == (sampled, revised)
    assert (number(found["pairs"]), number(found["pairs decided by a veto"])) == (count, vetoes)
    assert number(found["pairs with a conflict between tiers"]) == conflicts > 0
    assert (found["mean p_chosen"], found["mean margin"]) == (f"{p:.3f}", f"{margin:.3f}")
    ((read, kept),) = ask(
        "SELECT count(item.value ->> '$.p'), sum(item.value ->> '$.consistent' AND item.value ->> '$.p' IS NOT NULL) "
        f"{EACH.format('judgements')}"
    )
    assert found["verdicts that keep their side when the order is swapped"] == f"{kept / read:.1%}"
    assert 0 < kept < read
    ((critiques,),) = ask("SELECT sum(json_array_length(body, '$.critiques')) FROM traces")
    steps = [asked, sampled, critiques, revised, read, count]
    words = ("prompts", "responses", "critiques", "revisions", "judgements", "pairs")
    assert " → ".join(f"{n:,} {word}" for n, word in zip(steps, words, strict=True)) in section(card, "How it was made")


def test_rejects_by_reason(card: str, ask: Ask) -> None:
    rows = ask(
        "SELECT reason, count(*), sum(failure) FROM"
        " (SELECT reason, failure FROM rejects UNION ALL SELECT reason, failure FROM rows) GROUP BY reason"
    )
    found = table(card, "What did not become a pair, and why")
    assert {name: (number(count), number(failed)) for name, (count, failed) in found.items()} == {
        name: (count, failed) for name, count, failed in rows
    }
    assert {"bad_row", "duplicate_prompt", "tie"} <= set(found)


def test_tiers_and_conflicts(card: str, ask: Ask) -> None:
    tiers: dict[str, int] = dict(ask("SELECT coalesce(tier, 'none'), count(*) FROM pairs GROUP BY tier"))
    whole = sum(tiers.values())
    assert table(card, "Which tier decided") == {
        name: [f"{count:,}", f"{count / whole:.1%}"] for name, count in tiers.items()
    }
    assert len(tiers) == 3
    conflicts = ask(
        "SELECT DISTINCT traces.prompt_id, item.key, conflict.value ->> '$[0]', conflict.value ->> '$[2]'"
        f" {EACH.format('pairs')}, json_each(item.value, '$.ruling.conflicts') AS conflict"
    )
    lines = [row for row in section(card, "Conflicts between tiers").splitlines() if row.startswith("|")][2:]
    said = {tuple(cell.strip() for cell in line.strip("|").split("|")[:3]) for line in lines}
    counted: dict[tuple[str, str], int] = {}
    for _, _, overruled, by in conflicts:
        counted[overruled, by] = counted.get((overruled, by), 0) + 1
    assert said == {(overruled, by, f"{count:,}") for (overruled, by), count in counted.items()}


def test_principles(card: str, ask: Ask) -> None:
    checked = ask(
        "SELECT item.value ->> '$.principle_id', count(*), sum(coalesce(item.value ->> '$.violates', 0)),"
        f" sum(item.value ->> '$.violates' IS NULL) {EACH.format('critiques')},"
        " json_each(traces.body, '$.responses') AS answer"
        " WHERE answer.value ->> '$.id' = item.value ->> '$.response_id' AND answer.value ->> '$.round' = 0 GROUP BY 1"
    )
    judged = {
        name: (count, kept)
        for name, count, kept in ask(
            "SELECT item.value ->> '$.principle_id', count(*), sum(item.value ->> '$.consistent')"
            f" {EACH.format('judgements')} WHERE item.value ->> '$.p' IS NOT NULL GROUP BY 1"
        )
    }
    found = table(card, "Principles")
    assert set(found) == {name for name, *_ in checked} == set(judged)
    for name, count, violated, unread in checked:
        verdicts, kept = judged[name]
        assert found[name] == [
            f"{count:,}", f"{violated:,}", f"{violated / count:.1%}", f"{unread:,}", f"{verdicts:,}",
            f"{kept / verdicts:.1%}",
        ]  # fmt: skip
    assert any(unread for *_, unread in checked)


def test_margins_and_lengths(card: str, ask: Ask, written: Path) -> None:
    classes: dict[int, int] = dict(ask("SELECT min(CAST(margin * 10 AS INTEGER), 9), count(*) FROM pairs GROUP BY 1"))
    found = table(card, "Margins")
    assert [number(cells[0]) for cells in found.values()] == [classes.get(n, 0) for n in range(10)]
    lengths = "length(item.value ->> '$.{0}.text')"
    chosen, rejected = lengths.format("chosen"), lengths.format("rejected")
    ((of_chosen, of_rejected, longer),) = ask(
        f"SELECT avg({chosen}), avg({rejected}), avg({chosen} > {rejected}) {EACH.format('pairs')}"
    )
    assert table(card, "Lengths")["mean"] == [f"{of_chosen:.0f}", f"{of_rejected:.0f}"]
    assert f"The chosen answer is the longer one in {longer:.1%} of the pairs." in section(card, "Lengths")
    assert f"({PLOT})" in section(card, "Lengths")
    assert (written / "dataset" / PLOT).read_text().startswith("<svg")


def test_the_split_counts(card: str, written: Path) -> None:
    import pyarrow.parquet as pq

    found = table(card, "Subsets")
    for subset, (rows, _) in found.items():
        for split, count in re.findall(r"(\w+) ([\d,]+)", rows):
            files = (written / "dataset" / subset).glob(f"{split}-*.parquet")
            assert sum(pq.read_metadata(file).num_rows for file in files) == number(count)
    assert set(found) == {"preference", "sft", "unpaired", "rejects"}


def test_the_hubs_library_takes_the_metadata(card: str, written: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    read = DatasetCard.load(written / "dataset" / "README.md")
    assert isinstance(read.data, DatasetCardData)
    assert read.data.task_categories == ["text-generation"]
    assert read.data.size_categories == ["n<1K"]
    configs = MetadataConfigs.from_dataset_card_data(read.data)
    assert set(configs) == {"preference", "sft", "unpaired", "rejects"}
    assert configs.get_default_config_name() == "preference"
    again = yaml_of(read.data.to_yaml())
    assert again == yaml_of(card.split("---\n")[1]), "nothing is lost on the way through the library's own classes"


def test_what_is_empty_keeps_nobody_from_loading_the_rest(tmp_path: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset, load_from_disk

    made(tmp_path, [{"prompt": "a rude word"}, {"prompt": "one more rude word"}], test_fraction=1e-9)
    dataset, cache = str(tmp_path / "run/dataset"), str(tmp_path / "cache")
    assert get_dataset_config_names(dataset) == ["preference", "sft", "unpaired"]
    assert {name: part.num_rows for name, part in load_dataset(dataset, cache_dir=cache).items()} == {"train": 2}
    assert load_from_disk(f"{dataset}/rejects")["train"].num_rows == 0


def yaml_of(text: str) -> Any:
    import yaml

    return yaml.safe_load(text)


def test_the_card_has_all_that_a_stranger_asks(card: str) -> None:
    titles = [title for title in re.findall(r"^## (.+)$", card, re.MULTILINE) if title != "Watch"]
    assert titles == [
        "How it was made", "Numbers", "Subsets", "What did not become a pair, and why", "Which tier decided",
        "Conflicts between tiers", "Principles", "Margins", "Lengths", "The judge",
        "Models and their licences", "Known limits", "How to load", "How to check and to reproduce",
    ]  # fmt: skip
    assert "load_dataset(" in section(card, "How to load")
    assert "constitutional generate provenance/" in section(card, "How to check and to reproduce")
    assert "Not measured against people" in section(card, "The judge")
    assert "scripted:" in section(card, "Models and their licences")
