"""What is on PyPI: the wheel is built, installed in a clean environment and used from an empty folder."""

from __future__ import annotations

import json
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import write_prompts
from tests.support.server import serve
from tests.support.wheels import call

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("folder", ["constitutions", "prompts"])
def test_no_code_lies_among_the_data(folder: str) -> None:
    """One .py file in either folder breaks ``pip install -e .``."""
    files = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} == ({".yaml", ".json"} if folder == "constitutions" else {".jinja"})


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that holds the wheel and its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    call(folder / "bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("constitutions", "prompts"):
        here = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        prefix = f"constitutional/_data/{folder}/"
        assert {name.removeprefix(prefix) for name in names if name.startswith(prefix)} == here
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "constitutional").rglob("*.py")}
    assert package <= names
    assert {"constitutional/py.typed", "constitutional/pocket/prompts.jsonl", "constitutional/pocket/run.yaml"} <= names
    assert {
        "constitutional/scaffold/files/pyproject.toml.jinja",
        "constitutional/scaffold/files/judge/judge.jinja",
    } <= names
    model = {f"constitutional/pocket/model/{path.name}" for path in (ROOT / "constitutional/pocket/model").iterdir()}
    assert {Path(name).name for name in model} >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert model <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"constitutional"}
    assert not [name for name in names if "/_data/" in name and name.endswith(".py")]
    assert not [name for name in names if "__pycache__" in name or Path(name).name.startswith(".")]


@pytest.mark.slow
def test_it_runs_in_a_clean_environment_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    made = json.loads(call(installed / "constitutional", "generate", "--json", cwd=tmp_path))
    assert (made["status"], made["prompts"], made["run"]) == ("complete", 22, "runs/demo")
    assert made["pairs"] > 0
    assert (tmp_path / "runs/demo/dataset/preference/train-00000-of-00001.parquet").is_file()
    again = json.loads(call(installed / "constitutional", "generate", "--json", cwd=tmp_path))
    assert (again["pairs"], again["calls_made"]) == (made["pairs"], 0)


@pytest.mark.slow
def test_the_shipped_data_is_found_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, constitutional.resources as r;"
        "print(json.dumps([str(r.data_folder('prompts')), r.shipped_names('constitutions', '.yaml'),"
        " r.shipped_names('prompts', '.jinja')]))"
    )
    folder, constitutions, prompts = json.loads(call(installed / "python", "-c", code, cwd=tmp_path))
    assert folder.startswith(str(installed.parent))
    assert "base" in constitutions
    assert set(prompts) >= {"critique/check", "critique/explain", "judge/pairwise", "revise/revise", "score/pointwise"}


@pytest.mark.slow
def test_what_is_not_installed_there_is_said(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "Hi"}\n')
    made = subprocess.run(
        [installed / "constitutional", "generate", "--prompts", "p.jsonl", "--model", "openai:gpt-4o-mini"],
        cwd=tmp_path, env={"OPENAI_API_KEY": "none"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 1
    assert made.stderr.endswith("is not installed: pip install 'constitutional[openai]'\n")


def alone(wheel: Path, extra: str, folder: Path) -> Path:
    """The folder of the programs of an environment with this extra and no other."""
    venv.create(folder, with_pip=True)
    call(folder / "bin/python", "-m", "pip", "install", "--quiet", f"{wheel}[{extra}]", cwd=folder)
    return folder / "bin"


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["openai", "anthropic"])
def test_an_extra_installs_and_works_alone(
    extra: str, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = alone(wheel, extra, tmp_path / "env")
    prompts = write_prompts(tmp_path / "prompts.jsonl", 3)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    with serve() as server:
        address = server.url if extra == "openai" else server.anthropic_url
        where = ("--model", f"{extra}:test-model", "--base-url", address, "--prompts", str(prompts))
        made = json.loads(call(programs / "constitutional", "generate", "--json", *where, cwd=tmp_path))
        assert server.stats()["requests"] == made["calls_made"] > 0
    assert (made["status"], made["prompts"], made["failures"]) == ("complete", 3, 0)


@pytest.mark.slow
def test_the_hub_extra_installs_and_works_alone(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` takes a folder where it is called for a dataset of that name on the Hub; a run file of another folder
    does not see it there, and leaves it to `datasets`."""
    programs = alone(wheel, "hub", tmp_path / "env")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "here/somebody/prompts").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    write_prompts(tmp_path / "here/somebody/prompts/train.jsonl", 3)
    (tmp_path / "there/run.yaml").write_text("prompts: somebody/prompts\nmodels: {policy: 'scripted:demo'}\n")
    run_file = tmp_path / "there/run.yaml"
    made = json.loads(call(programs / "constitutional", "generate", run_file, "--json", cwd=tmp_path / "here"))
    assert (made["status"], made["prompts"], made["failures"]) == ("complete", 3, 0)
