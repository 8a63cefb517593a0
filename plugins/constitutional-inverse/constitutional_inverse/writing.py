"""The rules as a constitution: an ordinary YAML file, with what was measured beside each rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from constitutional import ConfigError
from constitutional_inverse.recover import Recovered
from constitutional_inverse.rows import Preference

WORDS = 5
NOT_IN_IDS = frozenset(
    [
        "the",
        "a",
        "an",
        "answer",
        "response",
        "that",
        "which",
        "is",
        "are",
        "of",
        "to",
        "and",
        "or",
        "it",
        "its",
        "should",
        "must",
    ]
)


def write_constitution(found: Recovered, name: str, data: str, path: Path) -> str:
    """The text that was written. An existing file is left alone."""
    text = as_yaml(found, name, data)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path} exists: give another name with --out") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return text


def as_yaml(found: Recovered, name: str, data: str) -> str:
    return "\n".join(_lines(found, name, data)) + "\n"


def _lines(found: Recovered, name: str, data: str) -> Iterator[str]:
    yield f"# Recovered by constitutional-inverse from {found.learned_from} preferences of {data}."
    yield f"# {found.considered} rules were considered, {len(found.rules)} kept."
    yield (
        f"# On {found.held_out} held-out preferences these rules speak of {found.coverage:.0%}, and are right in "
        f"{found.accuracy:.0%} of those."
    )
    yield "# worth = (accuracy - 1/2) x relevance x 2; weights are worths, the greatest being 1."
    yield f"name: {_scalar(name)}"
    yield "version: 0.1.0"
    yield f"description: {_scalar(f'What {found.learned_from} preferences have in common.')}"
    yield "mode: all"
    yield "tiers:"
    yield "  - id: recovered"
    yield "    force: strong"
    yield "    principles:"
    taken: set[str] = set()
    for rule in found.rules:
        yield (
            f"      # worth {rule.worth:.3f}: right in {rule.accuracy:.0%} of the {rule.relevance:.0%} of preferences "
            "that it speaks of"
        )
        principle: dict[str, Any] = {
            "id": _id(rule.statement, taken),
            "statement": rule.statement,
            "weight": round(rule.worth / found.rules[0].worth, 3),
        }
        example = found.examples.get(rule.statement)
        if example is not None:
            principle["examples"] = [_example(example)]
        text = yaml.safe_dump([principle], sort_keys=False, allow_unicode=True, width=100)
        yield from (f"      {line}" for line in text.rstrip().splitlines())


def _example(one: Preference) -> dict[str, str]:
    return {"prompt": one.prompt or "(not given)", "better": one.chosen, "worse": one.rejected}


def _id(statement: str, taken: set[str]) -> str:
    words = [word for word in re.findall(r"[a-z0-9]+", statement.casefold()) if word not in NOT_IN_IDS][:WORDS]
    stem = "-".join(words) or "rule"
    if not stem[0].isalpha():
        stem = f"rule-{stem}"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, width=1000).splitlines()[0]
