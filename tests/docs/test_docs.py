"""The documentation says what the code does: references are complete, links resolve, and examples run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from constitutional.builtin.rules import AnyRule
from constitutional.cli.generate import command as generate
from constitutional.config.run import (
    ROLES,
    BatchConfig,
    ModelConfig,
    PartConfig,
    PluginConfig,
    Prices,
    RayConfig,
    RunConfig,
    SplitConfig,
    WatchConfig,
)
from constitutional.core.records import Reason
from constitutional.dataset.rows import schemas
from constitutional.plugins import BUILTIN, PluginHost
from constitutional.roles import Setup
from docs import make_benchmark_tables
from tests.support.processes import write_prompts

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SCRIPTED = ("constitutional", "generate", "--model", "scripted:demo")
OF_THIS_WORKPLACE = ("/work", "shared/", "/tmp")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"no section {title!r}"
    return found.group(1)


def table(text: str) -> list[list[str]]:
    """The cells of every row of a section's tables, without the backticks around them; heads left out."""
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    cells = [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return cells[1:]


def shown(value: Any, required: bool) -> str:
    """A default as the page writes it."""
    if required or value is None:
        return "required" if required else "none"
    if isinstance(value, PluginConfig):
        return value.plugin
    value = {} if isinstance(value, BaseModel) else value
    return yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True).split("\n")[0]


def test_the_cli_reference_is_what_help_says() -> None:
    # In a process of its own: click keeps a command's help option as it first was, and a test may have called it alone.
    code = "import sys; from docs.make_cli_reference import reference; sys.stdout.buffer.write(reference().encode())"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    assert page("docs/cli.md") == said, "run: python -m docs.make_cli_reference"


@pytest.mark.parametrize("path", make_benchmark_tables.PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_benchmark_tables_are_what_the_saved_results_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == make_benchmark_tables.filled(text), "run: python -m docs.make_benchmark_tables"


def benchmarks() -> list[str]:
    """Those that write a result."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    return sorted(name for name, text in texts.items() if '= command_line("' in text)


def test_make_reruns_every_benchmark_once() -> None:
    text, asked = page("Makefile"), []
    listed = table(page("benchmarks/README.md").split("## overhead")[0])
    assert [target for target, *_ in listed] == [
        f"make {name}" for name in re.findall(r"^(bench[a-z-]*):", text, re.MULTILINE)
    ]
    for command, which, _ in listed:
        target = command.removeprefix("make ")
        variable = target.upper().replace("-", "_")
        (names,) = re.findall(rf"^{variable} := (.+)$", text, re.MULTILINE)
        assert re.search(rf"^{target}: .*\$\({variable}:%=bench-%\)", text, re.MULTILINE), target
        assert which.replace("`", "").split(", ") == names.split(), f"{target}: which, on benchmarks/README.md"
        asked += names.split()
    assert sorted(asked) == benchmarks()
    assert {path.stem for path in make_benchmark_tables.RESULTS.glob("*.json")} <= set(asked)


def test_every_benchmark_is_on_its_page() -> None:
    text, scripts = page("benchmarks/README.md"), benchmarks()
    shown = {name for _, name, _ in make_benchmark_tables.REGION.findall(text)}
    assert shown == set(scripts), "each has a section with a place for its figures"
    assert [name for name in scripts if f"`python -m benchmarks.{name} " not in section(text, name)] == []


@pytest.mark.parametrize(
    ("title", "model"),
    [
        ("The run", RunConfig),
        ("A model", ModelConfig),
        ("Prices", Prices),
        ("A part", PartConfig),
        ("Watch", WatchConfig),
        ("Split", SplitConfig),
        ("Batch", BatchConfig),
        ("Ray", RayConfig),
    ],
)
def test_every_key_of_the_run_file_is_described_with_its_default(title: str, model: type[BaseModel]) -> None:
    described = {row[0]: row[2] for row in table(section(page("docs/run-file.md"), title))}
    fields = {name: shown(field.default, field.is_required()) for name, field in model.model_fields.items()}
    assert described == fields


def test_every_option_of_what_ships_is_described_with_its_default() -> None:
    text = page("docs/run-file.md")
    described: dict[str, dict[str, str]] = {}
    for title in ("Options of the providers", "Options of the parts"):
        name = ""
        for row in table(section(text, title)):
            name = row[0].replace("`", "") or name
            described.setdefault(name, {})[row[1]] = row[2]
    shipped: dict[str, dict[str, str]] = {}
    for item in PluginHost().registered():
        if item.distribution == BUILTIN and item.config is not None:
            name = item.name if item.kind == "model" else f"{item.kind} {item.name}"
            fields = item.config.model_fields.items()
            shipped[name] = {key: shown(field.default, field.is_required()) for key, field in fields}
    assert described == shipped


def test_the_example_run_files_are_valid() -> None:
    blocks_of = (text for name in ("README.md", "docs/run-file.md") for text in blocks(name, "yaml"))
    examples = [text for text in blocks_of if text.startswith("prompts:")]
    assert len(examples) == 2
    for text in examples:
        config = RunConfig.model_validate(yaml.safe_load(text))
        assert {config.model_for(role) for role in ROLES} == {"policy", "judge"}


def test_the_files_of_the_scale_page_are_sound(tmp_path: Path) -> None:
    """A cluster is not at hand: what can be read without one is."""
    fragment, eight, job = (yaml.safe_load(text) for text in blocks("docs/scale.md", "yaml"))
    assert RunConfig.model_validate(fragment).ray.replicas == 8
    assert RunConfig.model_validate(eight).engine == "ray"
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    options = {name for parameter in generate.params for name in parameter.opts}
    command = spec["entrypoint"].split()
    assert command[:2] == ["constitutional", "generate"]
    assert {word for word in command if word.startswith("--")} <= options
    (workers,) = spec["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["maxReplicas"] == int(command[command.index("--replicas") + 1]), "a replica for each GPU"
    for group in (spec["rayClusterSpec"]["headGroupSpec"], workers):
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"]


@pytest.mark.parametrize("part", ["", "part-aa.jsonl"])
def test_the_slurm_job_starts_the_driver_as_the_page_says(tmp_path: Path, part: str) -> None:
    """With the cluster's own commands replaced by ones that write down how they were called."""
    (script,) = blocks("docs/scale.md", "bash")
    (tmp_path / "job").write_text(script)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "activate").touch()
    bin = tmp_path / "bin"
    bin.mkdir()
    for name, does in {
        "scontrol": "printf 'node1\nnode2\n'", "sleep": "true", "ray": "true", "srun": 'echo "$@" >> "$HOME/srun"',
        "constitutional": 'wait; echo "$RAY_ADDRESS $RAY_AUTH_MODE $SRUN_CPUS_PER_TASK $@" > "$HOME/driver"',
    }.items():  # fmt: skip
        (bin / name).write_text(f"#!/bin/bash\n{does}\n")
        (bin / name).chmod(0o755)
    given = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "64"}
    environment = {"HOME": str(tmp_path), "PATH": f"{bin}:{os.environ['PATH']}", **given} | (
        {"PART": part} if part else {}
    )
    done = subprocess.run(["bash", "job"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    more = f" --prompts {part} --out runs/{part}" if part else ""
    driver = (tmp_path / "driver").read_text().strip()
    assert driver == f"node1:6379 token 64 generate cluster.yaml --engine ray --replicas 16{more}"
    assert {word for word in driver.split() if word.startswith("--")} <= {
        name for parameter in generate.params for name in parameter.opts
    }


def test_the_arithmetic_of_scale_adds_up() -> None:
    """From the first table to the hours and the money, and to where the driver is full."""
    text = " ".join(page("docs/scale.md").split())
    calls = 1 + 6 + 1.5 * (1 + 6) + 12
    prompt, cached = 200 + 4200 + 9450 + 13200, 0.8 * 4200 + 0.75 * 9450 + 0.8 * 13200
    generated = 300 + 6 + 1.5 * 300 + 12
    assert [round(calls, -1), round(prompt, -3), round(cached, -3), round(generated, -1)] == [30, 27000, 21000, 770]
    hours = 1e6 * (770 + 6000 / 20) / 5000 / 3600
    assert (round(hours), round(hours / 8, 1), round(hours / 64, 1), round(2 * hours, -1)) == (59, 7.4, 0.9, 120)
    assert "| 1 M | 0.77 G | 59 | 7.4 h | 0.9 h | 120 |" in text
    assert round(6000 * 0.15 + 21000 * 0.075 + 770 * 0.60, -2) == 2900
    assert "≈ 2,900; with `--batch` half of it" in text
    a_second = int(found.group(1).replace(",", "")) if (found := re.search(r"plan: about ([\d,]+) calls", text)) else 0
    measured = re.search(r"\| one replica \| [\d,]+ \| [\d.]+ ms \| ([\d,]+) \|", text)
    assert measured
    assert a_second == pytest.approx(int(measured.group(1).replace(",", "")) / 2, rel=0.05)
    prompts = re.search(r"or (\d+) prompts a second at thirty calls each, ([\d.]+) M a day", text)
    assert prompts
    assert float(prompts.group(1)) == pytest.approx(a_second / 30, rel=0.05)
    assert float(prompts.group(2)) == pytest.approx(float(prompts.group(1)) * 86400 / 1e6, rel=0.02)


def test_the_examples_of_panels_and_rules_are_valid() -> None:
    panel, rules = (yaml.safe_load(section_blocks("docs/run-file.md", title)) for title in ("Panels", "Rules"))
    judge = rules["principles"][0]["judge"]
    for use in (panel["judge"], judge):
        assert PluginHost().get("judge", use["plugin"]).options(use["options"], "judge") is not None


def section_blocks(name: str, title: str) -> str:
    texts: list[str] = [text for kind, text in BLOCK.findall(section(page(name), title)) if kind == "yaml"]
    (text,) = texts
    return text


def test_every_rule_is_described_with_its_keys() -> None:
    described = {
        row[0]: set(re.findall(r"`(\w+)`", f"`{row[1]}`")) for row in table(section(page("docs/run-file.md"), "Rules"))
    }
    kinds = get_args(get_args(AnyRule)[0])
    own = {
        kind.model_fields["check"].annotation: set(kind.model_fields) - {"check", "weight", "name"} for kind in kinds
    }
    shipped = {get_args(check)[0]: keys for check, keys in own.items()}
    assert set(described) == set(shipped)
    assert [check for check, keys in shipped.items() if not keys <= described[check]] == []


def test_every_column_of_the_dataset_is_described() -> None:
    text = page("docs/dataset.md")
    described = {subset: {row[0] for row in table(section(text, f"`{subset}`"))} for subset in schemas()}
    assert described == {subset: set(schema.names) for subset, schema in schemas().items()}


def test_every_reason_is_described() -> None:
    text = section(page("docs/dataset.md"), "Reasons")
    reasons = [value for name, value in vars(Reason).items() if name.isupper() and isinstance(value, str)]
    assert reasons
    assert [reason for reason in reasons if f"`{reason}`" not in text] == []


def test_every_field_of_a_setup_is_described() -> None:
    described = {row[0] for row in table(section(page("docs/plugins.md"), "Setup"))}
    assert described == set(Setup.__dataclass_fields__)


def blocks(name: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page(name)) if kind == language]


def anchors(path: Path) -> set[str]:
    """As GitHub makes them: lower case, no punctuation, a hyphen for a space."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_resolves(path: Path) -> None:
    targets = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    for target in targets:
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_speaks_of_the_machine_it_was_written_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in OF_THIS_WORKPLACE if word in text] == []


def run(command: list[str], folder: Path, **more: str) -> str:
    """Standard output. The commands find this environment's `constitutional` and `python`, and caches of their own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HF_HOME": str(folder / ".hf"), "HF_HUB_OFFLINE": "1"} | more
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_quickstart_runs(tmp_path: Path) -> None:
    found = [(kind, text) for kind, text in BLOCK.findall(page("docs/quickstart.md")) if kind in ("sh", "python")]
    assert {kind for kind, _ in found} == {"sh", "python"}
    said = ""
    for kind, text in found:
        command = ["bash", "-euo", "pipefail", "-c"] if kind == "sh" else [sys.executable, "-c"]
        said += run([*command, text], tmp_path)
    assert "exit code 1" in said, "the budget"
    assert "bad_row" in said
    assert "duplicate_prompt" in said


def test_the_commands_about_strategies_and_datasets_run(tmp_path: Path) -> None:
    for name, first in (("prompts", 0), ("one", 0), ("two", 5)):
        write_prompts(tmp_path / f"{name}.jsonl", 10, first)
    run(
        ["constitutional", "generate", "--prompts", "one.jsonl", "--model", "scripted:demo", "--out", "runs/demo"],
        tmp_path,
    )
    said = ""
    for name in ("docs/strategies.md", "docs/dataset.md"):
        for text in blocks(name, "sh"):
            said += run(["bash", "-euo", "pipefail", "-c", text], tmp_path)
    assert "best-vs-worst *" in said
    assert "dataset: runs/two/dataset" in said
    assert "runs/both: 2 runs, " in said
    for text in blocks("docs/dataset.md", "python"):
        run([sys.executable, "-c", text], tmp_path)


def test_load_dataset_never_takes_one_run_for_another(tmp_path: Path) -> None:
    run([*SCRIPTED, "--out", "one"], tmp_path)
    run([*SCRIPTED, "--out", "two", "--limit", "10"], tmp_path)
    count = "from datasets import load_dataset; print(load_dataset('{}/dataset', 'preference')['train'].num_rows)"
    first, second = (int(run([sys.executable, "-c", count.format(name)], tmp_path)) for name in ("one", "two"))
    assert 0 < second < first
    run([*SCRIPTED, "--out", "two"], tmp_path)
    assert int(run([sys.executable, "-c", count.format("two")], tmp_path)) == first


def test_run_db_alone_is_a_run_that_has_ended(tmp_path: Path) -> None:
    run([*SCRIPTED, "--out", "one"], tmp_path)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "run.db").write_bytes((tmp_path / "one" / "run.db").read_bytes())
    again = yaml.safe_load(run([*SCRIPTED, "--out", "two", "--json"], tmp_path))
    assert (again["calls_made"], again["pairs"] > 0) == (0, True)
    parts = [tmp_path / name / "dataset" / "preference" / "train-00000-of-00001.parquet" for name in ("one", "two")]
    assert parts[0].read_bytes() == parts[1].read_bytes()
