"""The constitution file: YAML to ``core.constitution.Constitution``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from constitutional.config.source import Loc, Source
from constitutional.core.constitution import Constitution, Principle, Tier
from constitutional.core.digest import digest
from constitutional.errors import ConfigError, UnknownNameError, near_matches
from constitutional.resources import data_folder, shipped_names

Text = Annotated[str, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Problem = tuple[Loc, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class When(_Strict):
    tags: list[str] = Field(default=[], description="Applies only to prompts with one of these tags.")
    unless: list[str] = Field(default=[], description="Does not apply to prompts with one of these tags.")


class Example(_Strict):
    """A unit test of a principle: one response with its verdict, or two responses of which one is better."""

    prompt: Text
    response: Text | None = None
    verdict: Literal["upholds", "violates"] | None = None
    better: Text | None = None
    worse: Text | None = None


class PrincipleFile(_Strict):
    id: Identifier
    statement: Text = Field(min_length=1, description="One testable rule, positively worded where possible.")
    critique: Text = Field(default="", description="How to ask for a critique; the default is made of the statement.")
    revision: Text = Field(default="", description="How to ask for a revision.")
    prefer: Text = Field(default="", description="How to ask which of two responses is better.")
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    when: When = When()
    examples: list[Example] = []


class TierFile(_Strict):
    id: Identifier
    force: Literal["hard", "strong", "soft"]
    tolerance: float = Field(default=0.0, ge=0, lt=0.5, description="|P - 1/2| up to this is a tie.")
    principles: list[PrincipleFile] = Field(min_length=1)


class ConstitutionFile(_Strict):
    name: Identifier
    version: str = "0"
    description: Text = ""
    tiers: list[TierFile] = Field(min_length=1)
    contexts: dict[str, dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]] = {}


def find_constitution(name: str, base: Path) -> Path:
    """A path, or the name of a shipped constitution."""
    path = base / name
    if path.is_file():
        return path
    shipped = data_folder("constitutions") / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    known = shipped_names("constitutions", ".yaml")
    raise UnknownNameError(f"no constitution {name!r}: neither a file nor a shipped name{near_matches(name, known)}")


def load_constitution(path: Path) -> Constitution:
    source = Source.read(path)
    file = source.validate(ConstitutionFile)
    problems = _duplicates(file) + _unknown_in_contexts(file)
    if problems:
        problems.sort(key=lambda problem: source.place(problem[0]))
        raise ConfigError("\n".join(f"{source.where(loc)}: {text}" for loc, text in problems))
    tiers = tuple(
        Tier(tier.id, tier.force, tuple(_principle(item) for item in tier.principles), tier.tolerance)
        for tier in file.tiers
    )
    return Constitution(file.name, file.version, tiers, file.contexts)


def constitution_digest(constitution: Constitution) -> str:
    """Names what the constitution means: two files with the same rules have the same digest."""
    return digest(
        [
            [[t.id, t.force, t.tolerance, [_principle_value(p) for p in t.principles]] for t in constitution.tiers],
            {tag: dict(factors) for tag, factors in constitution.contexts.items()},
        ]
    )


def _principle(file: PrincipleFile) -> Principle:
    return Principle(
        file.id,
        file.statement,
        file.critique,
        file.revision,
        file.prefer,
        file.weight,
        frozenset(file.when.tags),
        frozenset(file.when.unless),
    )


def _principle_value(principle: Principle) -> list[Any]:
    return [
        principle.id, principle.statement, principle.critique, principle.revision, principle.prefer,
        principle.weight, sorted(principle.tags), sorted(principle.unless),
    ]  # fmt: skip


def _duplicates(file: ConstitutionFile) -> list[Problem]:
    problems: list[Problem] = []
    tiers, principles = set(), set()
    for t, tier in enumerate(file.tiers):
        if tier.id in tiers:
            problems.append((("tiers", t, "id"), f"tier {tier.id!r} is here twice"))
        tiers.add(tier.id)
        for p, principle in enumerate(tier.principles):
            if principle.id in principles:
                loc = ("tiers", t, "principles", p, "id")
                problems.append((loc, f"principle {principle.id!r} is here twice"))
            principles.add(principle.id)
    return problems


def _unknown_in_contexts(file: ConstitutionFile) -> list[Problem]:
    known = {tier.id for tier in file.tiers} | {item.id for tier in file.tiers for item in tier.principles}
    return [
        (
            ("contexts", tag, name),
            f"contexts.{tag}.{name}: no tier or principle has this id{near_matches(name, known)}",
        )
        for tag, factors in file.contexts.items()
        for name in factors
        if name not in known
    ]
