"""Plugins as a user has them: built as wheels, installed beside the toolkit's own, named in a run file."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import write_prompts
from tests.support.tiny_model import make_tiny_reward
from tests.support.wheels import build, call, environment, ran, variables

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
pytestmark = pytest.mark.slow

SCRIPT = [
    {"when": "Ask 3 short questions", "reply": "Does it help?"},
    {"when": "Can the answer stand up", "choose": {"yes": 0.9, "no": 0.1}},
    {"when": "nobody has to ask the questions", "reply": "A plain answer."},
    {"when": "Find rules that explain", "reply": "The answer thanks.\nThe answer shouts."},
    {"when": "# Answer A\nThanks.*# Rule\nThe answer thanks", "choose": {"A": 1.0}},
    {"when": "# Answer B\nThanks.*# Rule\nThe answer thanks", "choose": {"B": 1.0}},
    {"when": "# Rule", "choose": {"neither": 1.0}},
    {"when": "# Answer A\nThanks.*# Principle\n", "choose": {"A": 0.9, "B": 0.1}},
    {"when": "# Answer B\nThanks.*# Principle\n", "choose": {"A": 0.1, "B": 0.9}},
    {"when": "Does the answer violate", "choose": {"yes": 0.1, "no": 0.9}},
    {"when": "", "reply": ["As an AI, I would say eight minutes.", "Eight."], "choose": {"A": 0.6, "B": 0.4}},
]


def write_run(folder: Path, **settings: Any) -> Path:
    """A run file with its prompts, constitution and scripted model beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "script.jsonl").write_text("".join(json.dumps(line) + "\n" for line in SCRIPT))
    (folder / "prompts.jsonl").write_text('{"prompt": "How long?"}\n{"prompt": "And for how many?"}\n')
    principle = {"id": "plain", "statement": "The answer is plain."}
    tiers = [{"id": "style", "force": "strong", "principles": [principle]}]
    (folder / "c.yaml").write_text(yaml.safe_dump({"name": "c", "tiers": tiers}))
    config = {"prompts": "prompts.jsonl", "constitution": "c.yaml", "models": {"policy": "scripted:script.jsonl"}}
    (folder / "run.yaml").write_text(yaml.safe_dump(config | settings))
    return folder / "run.yaml"


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    wheels = build(EXAMPLES, folder / "wheels")
    assert len(wheels) == len(EXAMPLES) == 6
    return environment(folder / "env", [wheel, *wheels])


def generated(programs: Path, run: Path, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        call(programs / "constitutional", "generate", run, "--out", "out", "--json", cwd=run.parent, **more)
    )
    assert (made["status"], made["prompts"], made["failures"]) == ("complete", 2, 0)
    return made


def test_every_example_is_found_by_name(programs: Path, tmp_path: Path) -> None:
    listed = json.loads(call(programs / "constitutional", "plugins", "--json", cwd=tmp_path))
    assert [plugin["error"] for plugin in listed["plugins"]] == [None] * 6
    names = {(item["kind"], item["name"]) for item in listed["names"] if item["distribution"] != "constitutional"}
    assert names == {
        ("judge", "phrases"), ("judge", "http"), ("scorer", "hf-reward"), ("critic", "socratic"), ("reviser", "socratic"),
    }  # fmt: skip
    shown = call(programs / "constitutional", "plugins", "show", "phrases", cwd=tmp_path)
    assert "phrases (required)" in shown
    both = json.loads(
        call(programs / "constitutional", "plugins", "show", "constitutional-socratic-critic", "--json", cwd=tmp_path)
    )
    assert [(item["kind"], item["name"]) for item in both] == [("critic", "socratic"), ("reviser", "socratic")]
    checked = call(
        programs / "constitutional", "plugins", "check", "phrases", "--options", "{phrases: [x]}", cwd=tmp_path
    )
    assert "ok       loads-lightly" in checked
    # That of an installed package is the toolkit in the wheel, and no checkout.
    where = call(programs / "python", "-c", "import constitutional; print(constitutional.__file__)", cwd=tmp_path)
    assert where.startswith(str(programs.parent))


def test_a_judge_a_critic_a_reviser_and_an_observer_in_one_run(programs: Path, tmp_path: Path) -> None:
    judge = {"plugin": "phrases", "options": {"phrases": ["as an AI"]}}
    run = write_run(tmp_path, judge=judge, critic="socratic", reviser="socratic")
    assert generated(programs, run, CONSTITUTIONAL_TRACE_STREAM="jsonl")["pairs"] == 2
    lines = [json.loads(line) for line in (tmp_path / "out" / "traces.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["trace", "trace", "run_finished"]
    (pair,) = lines[0]["trace"]["pairs"]
    assert (pair["chosen"]["text"], pair["judge_method"]) == ("A plain answer.", "phrases")
    assert lines[0]["trace"]["critiques"][0]["text"] == "Does it help?"


@pytest.fixture
def judging_server() -> Iterator[tuple[str, list[int]]]:
    """An endpoint that likes the shorter answer, and how many questions each request held."""
    sizes: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
            sizes.append(len(items))
            verdicts = [{"p": 0.9 if len(item["a"]) < len(item["b"]) else 0.1} for item in items]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"verdicts": verdicts}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/judge", sizes
    server.shutdown()
    server.server_close()


def test_a_judge_behind_http_is_paid_once(
    programs: Path, tmp_path: Path, judging_server: tuple[str, list[int]]
) -> None:
    url, sizes = judging_server
    run = write_run(
        tmp_path, judge={"plugin": "http", "options": {"url": url}}, responses=2, rounds=0, strategy="all-pairs"
    )
    assert generated(programs, run)["pairs"] == 2
    assert sum(sizes) == 4
    assert generated(programs, run)["calls_made"] == 0
    assert sum(sizes) == 4


def test_a_reward_model_scores(programs: Path, tmp_path: Path) -> None:
    make_tiny_reward(tmp_path / "model")
    scorer = {"plugin": "hf-reward", "options": {"checkpoint": "model"}}
    judge = {"plugin": "phrases", "options": {"phrases": ["as an AI"]}}
    run = write_run(tmp_path, judge=judge, scorer=scorer, responses=2, rounds=0, strategy="best-vs-worst")
    assert generated(programs, run)["pairs"] == 2


def test_principles_are_recovered_and_linted_tested_and_counted(programs: Path, tmp_path: Path) -> None:
    write_run(tmp_path)
    rows = [{"prompt": f"{n}?", "chosen": f"Thanks. {n}", "rejected": f"No. {n}"} for n in range(8)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = call(
        programs / "constitutional-inverse", "data.jsonl", "--model", "scripted:script.jsonl", "--out", "ours.yaml",
        cwd=tmp_path,
    )  # fmt: skip
    assert "The answer thanks." in said
    assert "shouts" not in (tmp_path / "ours.yaml").read_text()
    linted = ran(programs / "constitutional", "principles", "lint", "ours.yaml", "--json", cwd=tmp_path)
    assert [finding for finding in json.loads(linted.stdout) if finding["severity"] == "error"] == []
    judge = ("--judge", "scripted:script.jsonl")
    call(programs / "constitutional", "principles", "test", "ours.yaml", *judge, cwd=tmp_path)
    generated(programs, write_run(tmp_path, constitution="ours.yaml", responses=2, strategy="all-pairs"))
    assert "thanks" in call(programs / "constitutional", "principles", "stats", "out", cwd=tmp_path)


JUDGE = """\
from constitutional import Judgement, hookimpl


class Longer:
    def __init__(self, setup):
        pass

    def judge(self, prompt, a, b, principle):
        p = len(a.text) / (len(a.text) + len(b.text))
        return Judgement.of(a, b, principle.id, p, p, "longer")


"""
NOTE = """\
import os, pathlib
if "IMPORTED" in os.environ:
    with pathlib.Path(os.environ["IMPORTED"]).open("a") as file:
        file.write(__name__ + "\\n")
"""


def register(name: str, extra: str = "") -> str:
    return f"{JUDGE}@hookimpl\ndef register_judges(register{extra}):\n    register({name!r}, Longer)\n"


BROKEN = {
    "fails_to_import": "import surely_no_such_package\n" + register("of-the-failing"),
    "misspelt_hook": JUDGE + "@hookimpl\ndef register_judge(register):\n    register('misspelt', Longer)\n",
    "extra_argument": register("extra", ", colour"),
    "raises": JUDGE + "@hookimpl\ndef register_judges(register):\n    raise RuntimeError('no licence')\n",
    "shadows": register("pairwise-logprob"),
    "twice": register("twice"),
    "good": register("longer"),
    "slow": "import time\ntime.sleep(10)\n" + register("of-the-slow"),
}
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "0.1.0"
[project.entry-points.constitutional]
{entries}
[tool.hatch.build.targets.wheel]
only-include = [{files}]
"""
DEMO = ("--model", "scripted:demo", "--prompts", "prompts.jsonl", "--json", "--quiet", "--out")
QUICK = ",".join([name for name in BROKEN if name != "slow"] + ["again"])


def write_project(folder: Path, name: str, modules: dict[str, str]) -> Path:
    root = folder / name
    root.mkdir()
    for module, text in modules.items():
        (root / f"{module}.py").write_text(NOTE + text)
    entries = "\n".join(f'{module} = "{module}"' for module in modules)
    files = ", ".join(f'"{module}.py"' for module in modules)
    (root / "pyproject.toml").write_text(PROJECT.format(name=name, entries=entries, files=files))
    return root


@pytest.fixture(scope="module")
def beside_broken(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toolkit beside a package of which nearly everything is wrong, and one that offers a name of it again."""
    folder = tmp_path_factory.mktemp("broken")
    roots = [
        write_project(folder, "broken-plugins", BROKEN),
        write_project(folder, "another-plugin", {"again": register("twice")}),
    ]
    return environment(folder / "env", [wheel, *build(roots, folder / "wheels")])


def test_help_imports_no_plugin(beside_broken: Path, tmp_path: Path) -> None:
    imported = str(tmp_path / "imported")
    for arguments in (("--help",), ("generate", "--help"), ("plugins", "--help"), ("--version",)):
        call(beside_broken / "constitutional", *arguments, cwd=tmp_path, IMPORTED=imported)
    assert not Path(imported).exists()


def test_plugins_says_what_is_wrong_with_each(beside_broken: Path, tmp_path: Path) -> None:
    quick = {"CONSTITUTIONAL_PLUGINS": QUICK}
    listed = json.loads(call(beside_broken / "constitutional", "plugins", "--json", cwd=tmp_path, **quick))
    errors = {plugin["name"]: plugin["error"] for plugin in listed["plugins"]}
    assert errors.pop("constitutional") is None
    assert errors.pop("good") is None
    assert errors.pop("extra_argument").endswith("are declared in the hookimpl but can not be found in the hookspec")
    assert errors.pop("misspelt_hook").startswith("unknown hook 'register_judge'; did you mean 'register_judges'")
    assert {name: error for name, error in errors.items() if error} == {
        "fails_to_import": "does not load: ModuleNotFoundError: No module named 'surely_no_such_package' "
        f"(fails_to_import.py:{len(NOTE.splitlines()) + 1})",
        "raises": "fails while registering: RuntimeError: no licence",
        "shadows": "judge 'pairwise-logprob' is offered by both constitutional and broken-plugins",
        "twice": "judge 'twice' is offered by both another-plugin and broken-plugins",
    }
    said = call(beside_broken / "constitutional", "plugins", cwd=tmp_path, **quick)
    assert len(re.findall(r"^failed: ", said, re.MULTILINE)) == 6
    assert "longer" in said


def test_generate_does_not_care_unless_it_is_named(beside_broken: Path, tmp_path: Path) -> None:
    write_prompts(tmp_path / "prompts.jsonl", 2)
    quick = {"CONSTITUTIONAL_PLUGINS": QUICK}

    def generate(out: str, *more: str) -> subprocess.CompletedProcess[str]:
        return ran(beside_broken / "constitutional", "generate", *DEMO, out, *more, cwd=tmp_path, **quick)

    for out, judge in (("usual", ()), ("good", ("--judge", "longer"))):
        made = generate(out, *judge)
        assert (made.returncode, json.loads(made.stdout)["status"], made.stderr) == (0, "complete", "")
    wanted = {
        "of-the-failing": (2, "plugins that failed: "),
        "misspelt": (2, "no judge named 'misspelt'"),
        "extra": (2, "no judge named 'extra'"),
        "twice": (1, "judge 'twice' is offered by both another-plugin and broken-plugins: uninstall one, or choose"),
    }
    for judge_name, (code, message) in wanted.items():
        made = generate("never", "--judge", judge_name)
        assert made.returncode == code, judge_name
        assert message in made.stderr
        assert made.stderr.startswith("error: ")
        assert "Traceback" not in made.stderr
    assert not (tmp_path / "never").exists()
    alone = {"CONSTITUTIONAL_PLUGINS": "again"}
    chosen = ("generate", *DEMO, "chosen", "--judge", "twice")
    assert ran(beside_broken / "constitutional", *chosen, cwd=tmp_path, **alone).returncode == 0


def test_a_slow_import_is_waited_for_and_named(beside_broken: Path, tmp_path: Path) -> None:
    """Both wait at the same time, so that this takes ten seconds and not twenty."""
    env = variables({"CONSTITUTIONAL_PLUGINS": "slow"})
    write_prompts(tmp_path / "prompts.jsonl", 2)
    commands = (("plugins",), ("generate", *DEMO, "run"))
    started = [
        subprocess.Popen(
            [beside_broken / "constitutional", *arguments],
            cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for arguments in commands
    ]  # fmt: skip
    listed, made = (process.communicate(timeout=200) for process in started)
    assert [process.returncode for process in started] == [0, 0]
    assert "of-the-slow" in listed[0]
    assert json.loads(made[0])["status"] == "complete"
    for _, said in (listed, made):
        (line,) = said.splitlines()
        assert re.fullmatch(
            r"warning: plugin slow \(broken-plugins\) took 1\d\.\d s to load: it should import what is heavy inside its "
            r"functions; CONSTITUTIONAL_PLUGINS can leave it out",
            line,
        )
