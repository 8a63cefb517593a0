"""``extends``, ``drop``, overriding and placing: what the flattened constitution is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from constitutional.config.constitution import Provided, constitution_digest, find_constitution, load_constitution
from constitutional.core.constitution import Constitution, Example, PluginUse
from constitutional.errors import ConfigError, PluginError
from constitutional.resources import shipped_names

BASE = """\
name: base
version: "7"
description: The ground.
mode: all
on_unresolved: refuse
tiers:
  - id: safety
    force: hard
    principles:
      - {id: no-harm, statement: Hurts nobody., weight: 2, critique: Say who is hurt}
      - {id: private, statement: Keeps data private.}
  - id: style
    force: soft
    tolerance: 0.1
    principles:
      - {id: brief, statement: Is short.}
      - {id: plain, statement: Is plain.}
contexts:
  medical: {safety: 2, brief: 0.5}
  chat: {brief: 0}
"""
ON_BASE = "name: mine\nextends: [base.yaml]\n"


class Shelf:
    """A folder of constitutions, with what plugins offer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.provided: Provided = {}
        self.put("base.yaml", BASE)

    def put(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, text: str, name: str = "mine.yaml") -> Constitution:
        return load_constitution(self.put(name, text), self.provided)

    def fault(self, text: str, name: str = "mine.yaml") -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(text, name)
        return str(caught.value).replace(f"{self.folder}/", "")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def outline(constitution: Constitution) -> dict[str, list[str]]:
    return {tier.id: [principle.id for principle in tier.principles] for tier in constitution.tiers}


def origins(constitution: Constitution) -> dict[str, str]:
    return {principle.id: principle.origin for _, principle in constitution}


def statement(constitution: Constitution, name: str) -> str:
    return next(principle.statement for _, principle in constitution if principle.id == name)


def test_extending_alone_is_the_same_rules_under_another_name(shelf: Shelf) -> None:
    base, mine = load_constitution(shelf.folder / "base.yaml"), shelf.load(ON_BASE)
    assert (mine.name, mine.version, mine.description) == ("mine", "0", "")
    assert (mine.tiers, mine.contexts, mine.mode, mine.on_unresolved) == (
        base.tiers, base.contexts, "all", "refuse",
    )  # fmt: skip
    assert constitution_digest(mine) == constitution_digest(base)


@pytest.mark.parametrize("name", shipped_names("constitutions", ".yaml"))
def test_a_shipped_name_may_be_extended(shelf: Shelf, name: str) -> None:
    mine = shelf.load(f"name: mine\nextends: [{name}]\n")
    whole = load_constitution(find_constitution(name, shelf.folder))
    assert constitution_digest(mine) == constitution_digest(whole)
    assert [principle.origin for _, principle in mine] == [principle.origin for _, principle in whole]


def test_an_override_is_whole_and_keeps_its_place(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE + "tiers:\n  - id: safety\n    principles:\n      - {id: no-harm, statement: Hurts no animal.}\n"
    )
    assert outline(mine) == {"safety": ["no-harm", "private"], "style": ["brief", "plain"]}
    (_, changed), *_ = mine
    assert (changed.statement, changed.weight, changed.critique) == ("Hurts no animal.", 1.0, "")
    assert origins(mine) == {
        "no-harm": "mine.yaml", "private": "base.yaml", "brief": "base.yaml", "plain": "base.yaml",
    }  # fmt: skip


def test_an_override_in_another_tier_moves_to_its_end(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE + "tiers:\n  - id: style\n    principles:\n      - {id: private, statement: Keeps data private.}\n"
    )
    assert outline(mine) == {"safety": ["no-harm"], "style": ["brief", "plain", "private"]}


def test_a_tier_that_lost_its_last_principle_is_gone_with_its_factors(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE
        + "drop: [no-harm]\ntiers:\n  - id: style\n    principles:\n      - {id: private, statement: Keeps data.}\n"
    )
    assert outline(mine) == {"style": ["brief", "plain", "private"]}
    assert mine.contexts == {"medical": {"brief": 0.5}, "chat": {"brief": 0}}


def test_a_tier_may_change_without_its_principles(shelf: Shelf) -> None:
    mine = shelf.load(ON_BASE + "tiers:\n  - {id: style, force: strong}\n  - {id: safety, tolerance: 0.2}\n")
    assert [(tier.id, tier.force, tier.tolerance) for tier in mine.tiers] == [
        ("safety", "hard", 0.2), ("style", "strong", 0.1),
    ]  # fmt: skip
    assert outline(mine) == {"safety": ["no-harm", "private"], "style": ["brief", "plain"]}


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("", ["safety", "style", "new"]),
        ("before: safety", ["new", "safety", "style"]),
        ("before: style", ["safety", "new", "style"]),
        ("after: safety", ["safety", "new", "style"]),
        ("after: style", ["safety", "style", "new"]),
    ],
)
def test_a_new_tier_comes_last_or_where_it_says(shelf: Shelf, place: str, order: list[str]) -> None:
    tier = f"tiers:\n  - id: new\n    force: strong\n    {place}\n    principles: [{{id: n, statement: New.}}]\n"
    mine = shelf.load(ON_BASE + tier)
    assert [item.id for item in mine.tiers] == order
    assert next(item for item in mine.tiers if item.id == "new").force == "strong"


def test_a_known_tier_may_be_moved_too(shelf: Shelf) -> None:
    assert outline(shelf.load(ON_BASE + "tiers:\n  - {id: style, before: safety}\n")) == {
        "style": ["brief", "plain"], "safety": ["no-harm", "private"],
    }  # fmt: skip


def test_a_new_tier_may_stand_beside_one_that_is_new_too(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE
        + "tiers:\n"
        + "  - {id: one, force: soft, before: style, principles: [{id: first, statement: A.}]}\n"
        + "  - {id: two, force: soft, after: one, principles: [{id: second, statement: B.}]}\n"
    )
    assert list(outline(mine)) == ["safety", "one", "two", "style"]


def test_drop_takes_principles_and_whole_tiers(shelf: Shelf) -> None:
    assert outline(shelf.load(ON_BASE + "drop: [brief]\n")) == {"safety": ["no-harm", "private"], "style": ["plain"]}
    mine = shelf.load(ON_BASE + "drop: [safety, plain]\n")
    assert outline(mine) == {"style": ["brief"]}
    assert mine.contexts == {"medical": {"brief": 0.5}, "chat": {"brief": 0}}


def test_what_is_dropped_may_be_made_anew(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE
        + "drop: [style]\ntiers: [{id: style, force: strong, principles: [{id: brief, statement: Is a word.}]}]\n"
    )
    assert outline(mine) == {"safety": ["no-harm", "private"], "style": ["brief"]}
    assert (mine.tiers[1].force, mine.tiers[1].tolerance) == ("strong", 0.0)


def test_contexts_merge_by_tag_and_the_later_factor_counts(shelf: Shelf) -> None:
    mine = shelf.load(ON_BASE + "contexts:\n  medical: {brief: 3, plain: 0}\n  law: {private: 2}\n")
    assert mine.contexts == {
        "medical": {"safety": 2, "brief": 3, "plain": 0}, "chat": {"brief": 0}, "law": {"private": 2},
    }  # fmt: skip


def test_mode_and_on_unresolved_are_inherited_until_they_are_given(shelf: Shelf) -> None:
    mine = shelf.load(ON_BASE + "mode: tiered\n")
    assert (mine.mode, mine.on_unresolved) == ("tiered", "refuse")
    mine = shelf.load(ON_BASE + "mode: draw\non_unresolved: reject\n")
    assert (mine.mode, mine.on_unresolved) == ("draw", "reject")


def test_of_two_that_are_extended_the_later_wins(shelf: Shelf) -> None:
    for name in ("one", "two"):
        shelf.put(
            f"{name}.yaml",
            f"name: {name}\ntiers:\n  - id: style\n    force: {'soft' if name == 'one' else 'strong'}\n"
            f"    principles:\n      - {{id: brief, statement: Brief as {name}.}}\n"
            f"      - {{id: of-{name}, statement: Only here.}}\n",
        )
    mine = shelf.load("name: mine\nextends: [one.yaml, two.yaml]\n")
    assert outline(mine) == {"style": ["brief", "of-one", "of-two"]}
    assert (statement(mine, "brief"), mine.tiers[0].force) == ("Brief as two.", "strong")
    back = shelf.load("name: mine\nextends: [two.yaml, one.yaml]\n")
    assert (statement(back, "brief"), back.tiers[0].force) == ("Brief as one.", "soft")


def test_a_file_that_is_reached_twice_counts_once(shelf: Shelf) -> None:
    """The second does not undo what the first changed in what both extend."""
    shelf.put("one.yaml", ON_BASE + "drop: [plain]\ntiers: [{id: style, principles: [{id: brief, statement: One.}]}]\n")
    shelf.put("two.yaml", ON_BASE + "tiers: [{id: safety, principles: [{id: private, statement: Two.}]}]\n")
    mine = shelf.load("name: mine\nextends: [one.yaml, two.yaml]\n")
    assert outline(mine) == {"safety": ["no-harm", "private"], "style": ["brief"]}
    assert (statement(mine, "brief"), statement(mine, "private")) == ("One.", "Two.")


def test_one_changes_a_tier_that_another_drops(shelf: Shelf) -> None:
    shelf.put("one.yaml", ON_BASE + "drop: [style]\n")
    shelf.put(
        "two.yaml",
        ON_BASE + "tiers:\n  - {id: style, principles: [{id: brief, statement: Two.}]}\n"
        "  - {id: new, force: hard, before: style, principles: [{id: n, statement: New.}]}\n"
        "contexts: {chat: {plain: 2}}\n",
    )
    mine = shelf.load("name: mine\nextends: [one.yaml, two.yaml]\n")
    assert outline(mine) == {"safety": ["no-harm", "private"], "new": ["n"], "style": ["brief"]}
    assert (mine.tiers[2].force, mine.tiers[2].tolerance) == ("soft", 0.1)
    assert mine.contexts["chat"] == {"brief": 0}


def test_paths_start_from_the_file_that_names_them_and_origins_hold_no_folder_of_the_machine(shelf: Shelf) -> None:
    shelf.put("team/own/deep.yaml", "name: deep\nextends: [../../base.yaml]\ndrop: [safety]\n")
    shelf.put(
        "team/team.yaml",
        "name: team\nextends: [own/deep.yaml]\ntiers: [{id: t, force: hard, principles: [{id: t1, statement: T.}]}]\n",
    )
    mine = shelf.load("name: mine\nextends: [team/team.yaml]\n")
    assert origins(mine) == {"brief": "base.yaml", "plain": "base.yaml", "t1": "team/team.yaml"}
    inside = load_constitution(shelf.folder / "team/own/deep.yaml")
    assert origins(inside) == {"brief": "base.yaml", "plain": "base.yaml"}
    for _, principle in mine:
        assert Path(principle.where.rsplit(":", 2)[0]).is_file()


def test_what_a_plugin_offers_may_be_extended(shelf: Shelf) -> None:
    asked: list[str] = []
    elsewhere = shelf.put("site/clinic/rules.yaml", BASE)

    def offer(name: str, path: Path) -> Callable[[], Path]:
        def ask() -> Path:
            asked.append(name)
            return path

        return ask

    shelf.provided = {"clinic": offer("clinic", elsewhere), "other": offer("other", elsewhere)}
    mine = shelf.load("name: mine\nextends: [clinic]\n", "mine/mine.yaml")
    assert set(origins(mine).values()) == {"clinic"}
    assert asked == ["clinic"]
    assert find_constitution("clinic", shelf.folder, shelf.provided) == elsewhere
    assert shelf.fault("name: mine\nextends: [clinc]\n") == (
        "mine.yaml:2:11: extends.0: no constitution 'clinc': neither a file nor a shipped name; did you mean 'clinic'?"
    )


def test_a_file_and_a_shipped_name_go_before_what_a_plugin_offers(shelf: Shelf) -> None:
    def never() -> Path:
        raise AssertionError("asked")

    shelf.provided = {"honest": never, "base.yaml": never}
    assert shelf.load("name: mine\nextends: [base.yaml, honest]\n")


def test_a_plugin_that_fails_is_named_where_it_is_used(shelf: Shelf) -> None:
    def broken() -> Path:
        raise PluginError("constitution 'clinic' of clinic-pack cannot be made: OSError: gone")

    shelf.provided = {"clinic": broken, "nowhere": lambda: Path("/nowhere/x.yaml")}
    assert shelf.fault("name: mine\nextends:\n  - nowhere\n  - clinic\n") == (
        "mine.yaml:3:5: extends.0: constitution 'nowhere': the plugin that offers it says /nowhere/x.yaml, which is no "
        "file\n"
        "mine.yaml:4:5: extends.1: constitution 'clinic' of clinic-pack cannot be made: OSError: gone"
    )


def test_faults_of_several_files_are_said_together_the_extending_file_first(shelf: Shelf) -> None:
    shelf.put("one.yaml", "name: one\nextends: [base.yaml]\ndrop: [nothing]\n")
    shelf.put("two.yaml", "name: two\nextends: [one.yaml]\nmode: none\n")
    said = shelf.fault("name: mine\nextends: [two.yaml, one.yaml, too.yaml]\nmod: draw\n").splitlines()
    assert said == [
        "mine.yaml:2:31: extends.2: no constitution 'too.yaml': neither a file nor a shipped name; did you mean 'two.yaml'?",
        "mine.yaml:3:1: mod: unknown key; did you mean 'mode'?",
        "two.yaml:3:1: mode: input should be 'tiered', 'draw' or 'all'",
        "one.yaml:3:8: drop.0: nothing that is extended has the id 'nothing'; known: brief, no-harm, plain, private, "
        "safety, style",
    ]


def test_a_circle_shows_its_chain_without_what_leads_to_it(shelf: Shelf) -> None:
    shelf.put("a.yaml", "name: a\nextends: [base.yaml, b.yaml]\n")
    shelf.put("b.yaml", "name: b\nextends: [c.yaml]\n")
    shelf.put("c.yaml", "name: c\nextends: [a.yaml]\n")
    assert shelf.fault("name: mine\nextends: [a.yaml]\n") == (
        "c.yaml:2:11: extends.0: goes round in a circle: a.yaml → b.yaml → c.yaml → a.yaml"
    )


def test_an_own_file_called_like_a_shipped_one_may_extend_it(shelf: Shelf) -> None:
    mine = shelf.load("name: base\nextends: [base]\ndrop: [brief]\n", "base.yaml")
    assert set(origins(mine).values()) == {"base"}


def test_plugins_examples_and_silenced_rules_are_carried(shelf: Shelf) -> None:
    shelf.put(
        "quiet.yaml",
        "name: quiet\nlint: {ignore: [vague]}\ntiers:\n  - id: t\n    force: hard\n    principles:\n"
        "      - id: one\n        statement: One.\n        judge: keyword\n        lint_ignore: [negation]\n"
        "        critic: {plugin: words, options: {words: [a, b], most: 2}}\n"
        "        examples:\n          - {prompt: Hi, response: Ho, verdict: upholds}\n"
        "          - {prompt: Hi, better: Ho, worse: Hm}\n",
    )
    mine = shelf.load(
        "name: mine\nextends: [quiet.yaml]\nlint: {ignore: [double]}\n"
        "tiers: [{id: t, principles: [{id: two, statement: Two.}]}]\n"
    )
    ((_, one), (_, two)) = mine
    assert one.judge == PluginUse("keyword")
    assert one.critic == PluginUse("words", {"words": ["a", "b"], "most": 2})
    assert one.judge.where == f"{shelf.folder}/quiet.yaml:9:9"
    assert one.critic.where == f"{shelf.folder}/quiet.yaml:11:9"
    assert one.where == f"{shelf.folder}/quiet.yaml:7:9"
    assert one.examples == (Example("Hi", "Ho", "upholds"), Example("Hi", better="Ho", worse="Hm"))
    assert [example.where.removeprefix(f"{shelf.folder}/") for example in one.examples] == [
        "quiet.yaml:13:13", "quiet.yaml:14:13",
    ]  # fmt: skip
    assert [sorted(item.lint_ignore) for item in (one, two, mine)] == [["negation", "vague"], ["double"], ["double"]]
    assert len({one, two}) == 2, "principles are hashable"


BY_HAND = """\
name: flat
mode: all
tiers:
  - id: first
    force: hard
    principles: [{id: f, statement: First.}]
  - id: safety
    force: strong
    principles:
      - {id: no-harm, statement: Hurts no animal., judge: {plugin: words, options: {most: 1}}}
      - {id: private, statement: Keeps data private.}
  - id: style
    force: soft
    tolerance: 0.2
    principles:
      - {id: plain, statement: Is plain.}
contexts:
  chat: {plain: 2}
  medical: {safety: 2}
on_unresolved: refuse
"""


def test_flattening_by_hand_is_the_same_constitution(shelf: Shelf) -> None:
    mine = shelf.load(
        ON_BASE
        + """\
drop: [brief]
tiers:
  - {id: style, tolerance: 0.2}
  - id: safety
    force: strong
    principles:
      - {id: no-harm, statement: Hurts no animal., judge: {plugin: words, options: {most: 1}}}
  - {id: first, force: hard, before: safety, principles: [{id: f, statement: First.}]}
contexts:
  chat: {plain: 2}
"""
    )
    flat = shelf.load(BY_HAND, "flat.yaml")
    assert (mine.tiers, mine.contexts) == (flat.tiers, flat.contexts)
    assert constitution_digest(mine) == constitution_digest(flat)
    assert constitution_digest(mine) != constitution_digest(shelf.load(ON_BASE))
