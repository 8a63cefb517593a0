"""What was done to a dataset after it was written is found and named; what was not is confirmed, row by row."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from constitutional.cli.verify import command
from constitutional.dataset.rows import SUBSETS
from constitutional.dataset.shards import row_id, text_of
from constitutional.errors import UsageError
from tests.support.datasets import made, rows_of

SHARD = "preference/train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verified")
    made(folder)
    return folder / "run"


@pytest.fixture
def dataset(written: Path, tmp_path: Path) -> Path:
    """A copy to tamper with, without the Arrow files: as it is after a download."""
    shutil.copytree(
        written / "dataset", tmp_path / "d", ignore=shutil.ignore_patterns("*.arrow", "*_dict.json", "state.json")
    )
    return tmp_path / "d"


def verify(source: Path, *more: str) -> Result:
    return CliRunner().invoke(command, [str(source), *more], standalone_mode=False, catch_exceptions=False)


def faults(dataset: Path) -> list[str]:
    done = verify(dataset, "--json")
    found: list[str] = json.loads(done.stdout)["faults"]
    assert done.return_value == (1 if found else 0)
    assert [f"error: {fault}" for fault in found] == [
        line for line in done.stderr.splitlines() if "warning" not in line
    ]
    return found


def rewrite(path: Path, change: Any) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def test_a_dataset_as_it_was_written_is_confirmed(written: Path, dataset: Path) -> None:
    for folder in (written, written / "dataset", dataset):
        assert faults(folder) == []
    said = json.loads(verify(dataset, "--json").stdout)
    assert said["rows"] == sum(len(rows_of(written, subset)) for subset in SUBSETS)
    (run,) = said["runs"].values()
    assert run["rows"] == {subset: len(rows_of(written, subset)) for subset in SUBSETS}
    assert {row["run"] for subset in SUBSETS for row in rows_of(written, subset)} == set(said["runs"])
    text = verify(dataset).stdout
    for expected in (
        "as it was written",
        "words 0",
        "judge/pairwise.jinja",
        "scripted:tests.support.runs:answer",
        "none: nothing",
    ):
        assert expected in text


def test_every_row_has_an_id_of_its_own_content(written: Path) -> None:
    ids = Counter(row["id"] for subset in SUBSETS for row in rows_of(written, subset))
    assert len(ids) > 30
    for subset in SUBSETS:
        schema = pq.read_schema(written / "dataset" / subset / "train-00000-of-00001.parquet")
        text = text_of(schema)
        assert [row["id"] for row in rows_of(written, subset)] == [
            row_id(text(row)) for row in rows_of(written, subset)
        ]


def swap(rows: list[dict[str, Any]]) -> None:
    rows[2]["chosen"], rows[2]["rejected"] = rows[2]["rejected"], rows[2]["chosen"]


def nudge(rows: list[dict[str, Any]]) -> None:
    rows[2]["p_chosen"] += 1e-12


@pytest.mark.parametrize("change", [swap, nudge])
def test_a_changed_row_is_named(written: Path, dataset: Path, change: Any) -> None:
    prompt = pq.read_table(dataset / SHARD).to_pylist()[2]["prompt_id"]
    rewrite(dataset / SHARD, change)
    assert faults(dataset) == [
        f"{SHARD}: its content is another than when it was written",
        f"{SHARD}: row 3 (prompt {prompt}): changed since it was written",
    ]


def test_a_changed_row_with_a_forged_id_is_found(dataset: Path) -> None:
    text = text_of(pq.read_schema(dataset / SHARD))

    def forge(rows: list[dict[str, Any]]) -> None:
        swap(rows)
        rows[2]["id"] = row_id(text(rows[2]))

    rewrite(dataset / SHARD, forge)
    assert faults(dataset) == [
        f"{SHARD}: its content is another than when it was written",
        "preference/train: rows were replaced or put in another order",
    ]


def test_a_row_of_a_run_that_nobody_knows_is_named(dataset: Path) -> None:
    def other(rows: list[dict[str, Any]]) -> None:
        rows[0]["run"] = "0123456789ab"

    rewrite(dataset / SHARD, other)
    assert any("row 1" in fault and "made by 0123456789ab" in fault for fault in faults(dataset))


def test_many_changed_rows_are_named_up_to_a_few(tmp_path: Path) -> None:
    made(tmp_path, [f"question {n} bad thing" for n in range(20)], test_fraction=0.0)
    shard = tmp_path / "run" / "dataset" / SHARD
    shutil.rmtree(shard.parent / "train")
    rewrite(shard, lambda rows: [row.update(margin=0.0) for row in rows])
    found = faults(tmp_path / "run")
    assert sum(": row " in fault for fault in found) == 10
    assert f"{SHARD}: and more rows" in found


@pytest.mark.parametrize(
    ("change", "count"), [(lambda rows: rows.pop(), -1), (lambda rows: rows.append(rows[0]), 1)], ids=["gone", "twice"]
)
def test_rows_that_went_or_came_are_counted(dataset: Path, change: Any, count: int) -> None:
    before = pq.read_metadata(dataset / SHARD).num_rows
    rewrite(dataset / SHARD, change)
    assert f"preference/train: {before + count} rows, it had {before}" in faults(dataset)


def test_rows_in_another_order_are_another_dataset(dataset: Path) -> None:
    rewrite(dataset / SHARD, lambda rows: rows.reverse())
    assert "preference/train: rows were replaced or put in another order" in faults(dataset)


def test_the_same_rows_in_another_encoding_are_the_same_rows(dataset: Path) -> None:
    pq.write_table(pq.read_table(dataset / SHARD), dataset / SHARD, compression="gzip", row_group_size=2)
    assert faults(dataset) == [f"{SHARD}: its content is another than when it was written"]


def test_missing_extra_and_damaged_files_are_named(dataset: Path) -> None:
    (config,) = dataset.glob("provenance/*/config.yaml")
    name = config.relative_to(dataset).as_posix()
    config.unlink()
    (dataset / "preference" / "extra.parquet").write_bytes(b"x")
    (dataset / SHARD).write_bytes(b"PAR1 no more PAR1")
    found = faults(dataset)
    assert f"{name}: missing" in found
    assert "preference/extra.parquet: no part of this dataset, added later" in found
    assert any(fault.startswith(f"{SHARD}: not a Parquet file") for fault in found)


def test_a_planted_shard_is_found_although_a_reader_would_take_it(dataset: Path) -> None:
    shutil.copy(dataset / SHARD, dataset / "preference" / "train-00001-of-00002.parquet")
    found = faults(dataset)
    assert "preference/train-00001-of-00002.parquet: no part of this dataset, added later" in found
    assert any(fault.startswith("preference/train: ") for fault in found)


def test_another_template_or_setting_is_named(dataset: Path) -> None:
    (template,) = dataset.glob("provenance/*/templates/judge/pairwise.jinja")
    template.write_text(template.read_text() + "Prefer the longer one.")
    (config,) = dataset.glob("provenance/*/config.yaml")
    config.write_text(config.read_text().replace("seed: 0", "seed: 1"))
    found = faults(dataset)
    run = config.parent.name
    assert f"{template.relative_to(dataset).as_posix()}: not the template of run {run}" in found
    assert f"provenance/{run}/config.yaml: not the settings of run {run}" in found


def test_an_edited_card_is_said_and_is_no_fault(dataset: Path) -> None:
    (dataset / "README.md").write_text("mine")
    done = verify(dataset)
    assert done.return_value == 0
    assert done.stderr == "warning: README.md: edited since it was written (no row is in it)\n"


def test_a_manifest_that_contradicts_itself_is_found(dataset: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    manifest["subsets"]["sft"]["train"]["digest"] = "0" * 32
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    assert any("are not those of its content" in fault for fault in faults(dataset))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"format": 9}', "a manifest of format 9"),
        ('{"format": 1}', "not a manifest as it was"),
    ],
)
def test_a_manifest_that_is_none_is_said(dataset: Path, text: str, message: str) -> None:
    (dataset / "manifest.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        verify(dataset)
    (dataset / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"has no manifest.json"):
        verify(dataset)


def test_a_revision_is_of_the_hub(dataset: Path) -> None:
    with pytest.raises(UsageError, match="is a folder here"):
        verify(dataset, "--revision", "main")
