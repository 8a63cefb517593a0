"""A principle with a critic or a judge of its own, and constitutions that plugins offer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import constitutional.plugins
from constitutional.config.run import RunConfig
from constitutional.core.constitution import Principle
from constitutional.core.records import Critique, Judgement, Prompt, Response
from constitutional.errors import ConfigError, ConstitutionalError
from constitutional.hookspecs import hookimpl
from constitutional.pipeline.bind import Unasked
from constitutional.pipeline.constitution import read_constitution
from constitutional.pipeline.models import Models
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.plugins import PluginHost, Register
from constitutional.roles import Setup
from tests.support.runs import run, tier


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at_most: int = 3


MADE: list[Setup] = []


class Count:
    """A judge and critic that asks no model: fewer words are better."""

    def __init__(self, setup: Setup) -> None:
        MADE.append(setup)
        self._most: int = setup.options.at_most

    def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        p = 1.0 if len(a.text.split()) < len(b.text.split()) else 0.0
        return Judgement.of(a, b, principle.id, p, p, "count", ())

    async def critique(self, prompt: Prompt, response: Response, principle: Principle) -> Critique:
        return Critique(
            response.id, principle.id, len(response.text.split()) > self._most, "It is long.", method="count"
        )


def register_judges(register: Register) -> None:
    register("count", Count, config=Options)


def register_critics(register: Register) -> None:
    register("count", Count, config=Options)


COUNTING: tuple[Callable[..., Any], ...] = (register_judges, register_critics)


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    MADE.clear()


def test_a_principle_with_its_own_plugins_uses_them_and_no_other_does(tmp_path: Path) -> None:
    own, usual = tier("first", "hard", "bad"), tier("second", "soft", "rude")
    own["principles"][0] |= {"judge": "count", "critic": {"plugin": "count", "options": {"at_most": 2}}}
    trace = run(tmp_path, ["a bad rude day"], own, usual, plugin=COUNTING).trace
    assert {(item.principle_id, item.method == "count") for item in trace.critiques} == {("bad", True), ("rude", False)}
    assert {(item.principle_id, item.method == "count") for item in trace.judgements} == {
        ("bad", True),
        ("rude", False),
    }
    assert trace.critiques[0].text == "It is long."
    assert [setup.options.at_most for setup in MADE] == [2, 3]
    assert {setup.constitution.name for setup in MADE} == {"words"}


CONSTITUTION = """\
name: own
tiers:
  - id: t
    force: hard
    principles:
      - id: one
        statement: One.
        judge: count
      - {id: two, statement: Two., judge: {plugin: count, options: {at_most: 3}}}
      - {id: three, statement: Three., judge: count}
"""


def host_of(monkeypatch: pytest.MonkeyPatch, *functions: Callable[..., Any], version: str = "1.0") -> PluginHost:
    module = ModuleType("a_plugin")
    for function in functions:
        setattr(module, function.__name__, hookimpl(function))
    entry = SimpleNamespace(name="a", load=lambda: module, dist=SimpleNamespace(name="a-plugin", version=version))
    monkeypatch.setattr(constitutional.plugins, "entry_points", lambda group: [entry])
    return PluginHost().load()


class NamedByRole(Unasked):
    def __call__(self, role: str, models: Models, entry: str | None = None) -> Any:
        return SimpleNamespace(id=role)


def assembled(folder: Path, text: str, host: PluginHost) -> Assembly:
    (folder / "own.yaml").write_text(text)
    return assemble(RunConfig(constitution="own.yaml"), host, folder, NamedByRole())


def test_the_same_plugin_with_the_same_options_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assembled(tmp_path, CONSTITUTION, host_of(monkeypatch, *COUNTING))
    assert len(MADE) == 2
    assert {setup.model.id for setup in MADE} == {"judge"}


def test_the_plan_names_the_plugin_its_options_and_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = host_of(monkeypatch, *COUNTING)
    texts = [
        CONSTITUTION,
        CONSTITUTION.replace("at_most: 3", "at_most: 4"),
        CONSTITUTION.replace("judge: count}", "critic: count}"),
        CONSTITUTION.replace(", judge: count}", "}"),
    ]
    plans = [assembled(tmp_path, text, host).plan for text in texts]
    plans.append(assembled(tmp_path, CONSTITUTION, host_of(monkeypatch, *COUNTING, version="1.1")).plan)
    assert len(set(plans)) == 5
    assert assembled(tmp_path, "# moved\n" + CONSTITUTION, host_of(monkeypatch, *COUNTING)).plan == plans[0]


def test_what_is_wrong_with_a_plugin_is_said_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = CONSTITUTION.replace("judge: count\n", "judge: coun\n").replace("at_most: 3", "at_mos: 3")
    text = text.replace("judge: count}", "critic: llm, judge: pairwise-logprob}")
    text = text.replace("critic: llm", "critic: {plugin: llm, options: {check: no/such}}")
    with pytest.raises(ConfigError) as caught:
        assembled(tmp_path, text, host_of(monkeypatch, *COUNTING))
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "own.yaml:8:9: no judge named 'coun'; did you mean 'count'?",
        "own.yaml:9:36: judge.options.at_mos: unknown option; did you mean 'at_most'?",
        "own.yaml:10:40: no template 'no/such': neither a file nor a shipped name; known: " + _templates(),
    ]


def _templates() -> str:
    from constitutional.resources import shipped_names

    return ", ".join(shipped_names("prompts", ".jinja"))


# --- constitutions that plugins offer ---------------------------------------------------------------------------------


def offering(path: Callable[[], Any]) -> Callable[..., Any]:
    def register_constitutions(register: Register) -> None:
        register("clinic", path)

    return register_constitutions


def test_a_run_may_name_and_a_file_may_extend_what_a_plugin_offers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "site" / "rules.yaml"
    theirs.parent.mkdir()
    theirs.write_text(CONSTITUTION.replace("name: own", "name: clinic"))
    host = host_of(monkeypatch, offering(lambda: str(theirs)))
    assert read_constitution("clinic", tmp_path, host).name == "clinic"
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: [clinic]\ndrop: [two]\n")
    mine = read_constitution("mine.yaml", tmp_path, host)
    assert [(principle.id, principle.origin) for _, principle in mine] == [("one", "clinic"), ("three", "clinic")]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (lambda: None, "constitution 'clinic' of a-plugin cannot be made: TypeError: "),
        (
            lambda: Path("/nowhere.txt").read_text(),
            "constitution 'clinic' of a-plugin cannot be made: FileNotFoundError: ",
        ),
        (
            lambda: "/nowhere.yaml",
            "constitution 'clinic': the plugin that offers it says /nowhere.yaml, which is no file",
        ),
    ],
)
def test_a_plugin_that_offers_none_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Callable[[], Any], message: str
) -> None:
    host = host_of(monkeypatch, offering(path))
    with pytest.raises(ConstitutionalError) as caught:
        read_constitution("clinic", tmp_path, host)
    assert str(caught.value).startswith(message)
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: [clinic]\n")
    with pytest.raises(ConfigError) as extended:
        read_constitution("mine.yaml", tmp_path, host)
    assert str(extended.value).startswith(f"{tmp_path}/mine.yaml:2:11: extends.0: {message}")
