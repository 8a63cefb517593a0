"""What may stand in a constitution file, as pydantic models, and the JSON Schema made of them for editors.

    python -m constitutional.config.schema [FILE]      default: constitutions/constitution.schema.json

What concerns several keys or several files at once (ids, ``extends``) is checked in ``ids.py``.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from constitutional.core.constitution import Force, Mode, OnUnresolved, Verdict
from constitutional.resources import data_folder

SCHEMA = "constitution.schema.json"
ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _identifier(value: str) -> str:
    if not re.match(ID, value) or value.endswith("\n"):
        raise ValueError(f"{value!r} is no id: letters, digits, '-', '_' and '.', the first a letter or a digit")
    return value


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("this text is empty")
    return value


Identifier = Annotated[str, AfterValidator(_identifier), Field(json_schema_extra={"pattern": ID})]
Text = Annotated[str, BeforeValidator(_stripped)]
Words = Annotated[
    str, BeforeValidator(_stripped), AfterValidator(_not_empty), Field(json_schema_extra={"minLength": 1})
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WhenFile(_Strict):
    """To which prompts a principle applies, by their tags."""

    model_config = ConfigDict(title="When")

    tags: list[str] = Field(default=[], description="Applies only to prompts with one of these tags.")
    unless: list[str] = Field(default=[], description="Does not apply to prompts with one of these tags.")


class PluginFile(_Strict):
    """A plugin by name, with its options."""

    model_config = ConfigDict(title="Plugin")

    plugin: Words = Field(description="Its name: `constitutional plugins` lists them.")
    options: dict[str, JsonValue] = Field(default={}, description="The plugin's own options.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"plugin": value}
        if not isinstance(value, dict):
            raise ValueError("expected a plugin's name, or a mapping of `plugin` and `options`")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler.resolve_ref_schema(handler(core))
        about = {key: long.pop(key) for key in ("title", "description")}
        return {**about, "anyOf": [{"type": "string"}, long]}


def _one_kind(schema: dict[str, Any]) -> None:
    pairs = (["response", "verdict"], ["better", "worse"])
    others = ({"anyOf": [{"required": [key]} for key in pair]} for pair in reversed(pairs))
    schema["oneOf"] = [{"required": pair, "not": other} for pair, other in zip(pairs, others, strict=True)]


class ExampleFile(_Strict):
    """A unit test of a principle: one response with its verdict, or two responses of which one is better."""

    model_config = ConfigDict(title="Example", json_schema_extra=_one_kind)

    prompt: Words = Field(description="What the person says.")
    response: Words | None = Field(default=None, description="One response; say its `verdict` too.")
    verdict: Verdict | None = Field(
        default=None, description="Whether `response` upholds the principle or violates it."
    )
    better: Words | None = Field(
        default=None, description="The response that upholds the principle better than `worse`."
    )
    worse: Words | None = Field(default=None, description="The response that upholds it less than `better`.")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ExampleFile:
        keys = {"response": self.response, "verdict": self.verdict, "better": self.better, "worse": self.worse}
        given = [key for key, value in keys.items() if value]
        if given not in (["response", "verdict"], ["better", "worse"]):
            here = " and ".join(f"`{key}`" for key in given) or "none of them"
            raise ValueError(f"an example has `response` and `verdict`, or `better` and `worse`; here is {here}")
        if given[0] == "better" and self.better == self.worse:
            raise ValueError("`better` and `worse` are the same text")
        return self


class PrincipleFile(_Strict):
    """One rule."""

    model_config = ConfigDict(title="Principle")

    id: Identifier = Field(description="Its name in reports, contexts and overrides; used once in a constitution.")
    statement: Words = Field(description="One testable rule, positively worded where possible.")
    critique: Text = Field(default="", description="How to ask for a critique; made of the statement by default.")
    revision: Text = Field(default="", description="How to ask for a revision; made of the statement by default.")
    prefer: Text = Field(default="", description="How to ask which of two responses is better.")
    weight: Annotated[Number, Field(gt=0)] = Field(default=1.0, description="How much it counts inside its tier.")
    when: WhenFile = Field(default=WhenFile(), description="The prompts that it applies to; all by default.")
    judge: PluginFile | None = Field(default=None, description="The judge of this principle, instead of the run's.")
    critic: PluginFile | None = Field(default=None, description="The critic of this principle, instead of the run's.")
    examples: list[ExampleFile] = Field(default=[], description="Its unit tests: `constitutional principles test`.")
    lint_ignore: list[str] = Field(default=[], description="Ids of the lint rules that do not concern it.")


class TierFile(_Strict):
    """Principles of one priority. A tier of an extended file may be named again, to change it or to add to it."""

    model_config = ConfigDict(title="Tier")

    id: Identifier = Field(description="Its name in reports, contexts and overrides; used once in a constitution.")
    force: Force | None = Field(
        default=None,
        description="hard: a violation is never chosen. strong: revised until it is upheld or the rounds are spent. "
        "soft: one attempt, kept if nothing above got worse. Required, except for a tier of an extended file.",
    )
    tolerance: Annotated[Number, Field(ge=0, lt=0.5)] = Field(
        default=0.0, description="|P - 1/2| up to this is a tie, and the next tier decides."
    )
    before: str | None = Field(default=None, description="Put it before this tier of what is extended.")
    after: str | None = Field(default=None, description="Put it after this tier of what is extended.")
    principles: list[PrincipleFile] = Field(
        default=[], min_length=1, description="Its rules. One with the id of an extended rule replaces that rule whole."
    )


class LintFile(_Strict):
    """Which findings of `constitutional principles lint` are silenced."""

    model_config = ConfigDict(title="Lint")

    ignore: list[str] = Field(default=[], description="Ids of lint rules.")


class ConstitutionFile(_Strict):
    """Principles in tiers of priority, from which preference data is made."""

    model_config = ConfigDict(title="Constitution")

    name: Identifier = Field(description="Its name in reports and in the dataset.")
    version: Words = Field(default="0", description="Yours to count, as text in quotes.")
    description: Text = Field(default="", description="What it is for, in a sentence.")
    extends: list[str] = Field(
        default=[],
        description="What it is made from: shipped names, files (relative to this one), names that plugins offer. "
        "A later one counts and not an earlier one, and this file before all of them; tiers that are new stand last.",
    )
    drop: list[str] = Field(default=[], description="Ids of principles and tiers of the extended files to leave out.")
    mode: Mode = Field(
        default="tiered",
        description="tiered: tiers decide in order of priority. draw: one random principle per round and per "
        "comparison, as in the paper. all: every principle, without priority.",
    )
    on_unresolved: OnUnresolved = Field(
        default="reject",
        description="What becomes of a response that still violates a hard principle when the rounds are spent.",
    )
    tiers: list[TierFile] = Field(default=[], min_length=1, description="Order is priority, highest first.")
    contexts: dict[str, dict[str, Annotated[Number, Field(ge=0)]]] = Field(
        default={},
        description="Tag of a prompt: {id of a tier or a principle: factor on its weight; 0 switches it off}.",
    )
    lint: LintFile = Field(default=LintFile(), description="Findings of the linter that are silenced here.")


def json_schema() -> str:
    """For editors: completion, descriptions and most errors while typing."""
    made = {"$schema": "http://json-schema.org/draft-07/schema#", **ConstitutionFile.model_json_schema()}
    return json.dumps(_plain(made), indent=2) + "\n"


def _plain(schema: Any) -> Any:
    """Without what only says that a key may be left out: editors would offer ``null`` and empty defaults."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    if plain.get("default", 0) in (None, "", []) or isinstance(plain.get("default"), dict):
        del plain["default"]
    if len(plain.get("anyOf", ())) == 1:
        plain |= plain.pop("anyOf")[0]
    return plain


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else data_folder("constitutions") / SCHEMA
    path.write_text(json_schema(), encoding="utf-8")
    print(path)
