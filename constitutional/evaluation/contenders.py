"""The models that are compared: what each is called, and the configuration under which it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.config.run import ModelConfig, RunConfig
from constitutional.core.digest import canonical
from constitutional.errors import UsageError
from constitutional.evaluation.settings import EvaluateSettings, Named, checked, model_entry
from constitutional.pipeline.models import Models, sampling_of
from constitutional.plugins import PluginHost

BASE, TUNED = "base", "tuned"
NAME = re.compile(r"[\w.-]+")
_GIVEN = re.compile(r"([\w.-]+)=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    config: RunConfig
    """A run's, whose policy it is."""
    model: str
    """As its adapter calls it: no path of this machine."""
    identity: Mapping[str, Any]
    """What the ledger's keys hold of it, and how it is sampled."""

    @property
    def entry(self) -> ModelConfig:
        return self.config.models["policy"]


def contenders(settings: EvaluateSettings, host: PluginHost) -> list[Contender]:
    """Base first, then tuned, then the others. No weights are loaded; the same model twice is an error."""
    named: list[tuple[str, str, Named]] = [(BASE, "--base", settings.base), (TUNED, "--tuned", settings.tuned)]
    for given in settings.more:
        wanted, model = _named(given)
        name = _free(wanted, model, {name for name, _, _ in named})
        named.append((name, f"--more {name}", model))
    found: list[Contender] = []
    for name, role, model in named:
        one = _contender(name, model_entry(model, settings.where, role), settings, host)
        twin = next((other for other in found if canonical(other.identity) == canonical(one.identity)), None)
        if twin is not None:
            raise UsageError(
                f"{twin.name} and {name} are the same model ({one.model}) with the same settings: "
                "there is nothing to compare"
            )
        found.append(one)
    return found


def of_contender(response_id: str) -> str:
    """Which contender a response is of: its id begins with the name."""
    return response_id.partition(":")[0]


def split_name(given: str) -> tuple[str | None, str]:
    """``NAME=MODEL`` → both; None where it has no name."""
    found = _GIVEN.fullmatch(given)
    return (None, given) if found is None else (found[1], found[2])


def _named(given: Named | tuple[str | None, Named]) -> tuple[str | None, Named]:
    if isinstance(given, tuple):
        return given
    return split_name(given) if isinstance(given, str) else (None, given)


def _free(wanted: str | None, model: Named, taken: set[str]) -> str:
    """The name that was asked for, else one made of the model's."""
    if wanted is not None:
        if wanted in taken:
            raise UsageError(f"--more {wanted}=…: another model is called {wanted!r} already")
        return wanted
    text = model if isinstance(model, str) else model.name
    plain = "-".join(NAME.findall(Path(text.rstrip("/").rpartition(":")[2]).name)) or "more"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    return name


def _contender(name: str, entry: ModelConfig, settings: EvaluateSettings, host: PluginHost) -> Contender:
    chosen = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
    given = {key: value for key, value in chosen.items() if value is not None}
    values = {
        "models": {"policy": checked(ModelConfig, entry.model_dump() | given)},
        "system": settings.system,
        "responses": settings.responses,
        "seed": settings.seed,
        "concurrency": settings.concurrency,
        "max_cost": settings.max_cost,
    }
    config = checked(RunConfig, values)
    adapter, sampling = Models(config, host, settings.where).adapter("policy"), sampling_of(config, "policy")
    how = [sampling.temperature, sampling.top_p, sampling.max_tokens, list(sampling.stop)]
    return Contender(name, config, adapter.id, {"model": dict(adapter.identity), "sampling": how})
