"""Everything that an evaluation can be told. Roles are those of a run file; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from constitutional.config.run import ModelConfig, PartConfig, RunConfig
from constitutional.errors import ConfigError, UsageError

T = TypeVar("T", bound=BaseModel)

BENIGN = ("benign", "safe", "harmless")
HARMFUL = ("harmful", "unsafe", "risky")
Named = str | ModelConfig
"""A model as ``provider:name``, a model folder, or an entry as a run file has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """What an evaluation is told: the options of `constitutional evaluate`, and roles as a run file has them."""

    base: Named
    tuned: Named
    more: tuple[Named | tuple[str | None, Named], ...] = ()
    """Further models, with a name or without; ``NAME=MODEL`` is one with a name."""
    prompts: str
    """Held-out prompts: whatever ``generate --prompts`` takes."""
    out: str
    """The folder for ``run.db`` and ``evaluation.json``."""
    fresh: bool = False
    """A new folder beside ``out`` where it holds replies already."""

    constitution: str = "base"
    models: Mapping[str, ModelConfig] = field(default_factory=dict)
    """Who plays critic, judge and scorer, as in a run file; ``policy`` is whom a role asks that has none of its own."""
    critic: PartConfig = field(default_factory=lambda: PartConfig(plugin="llm"))
    """Decides what is a violation."""
    judge: PartConfig = field(default_factory=lambda: PartConfig(plugin="pairwise-logprob"))
    """Decides which of two answers is better."""
    scorers: tuple[PartConfig, ...] = ()
    """Each is a measure, ``score:PLUGIN``."""

    responses: int = 1
    """Answers per prompt and model."""
    system: str | None = None
    temperature: float | None = None
    """Of the models that are evaluated; default: 1, as in a run."""
    max_tokens: int | None = None
    seed: int = 0
    limit: int | None = None
    benign: tuple[str, ...] | None = None
    """Tags of prompts that should be answered; None: those of ``BENIGN`` that occur."""
    harmful: tuple[str, ...] | None = None
    """Tags of prompts that may be refused; None: those of ``HARMFUL`` that occur."""
    reference_text: str | None = None
    """A file of text whose perplexity is measured, of models that run in this process."""
    trained_on: str | None = None
    """The run or dataset that the tuned model was trained on: its prompts may not be among these."""
    gate: str | None = None
    """Conditions such as ``violation_rate<0.05,win_rate>0.6``."""

    concurrency: int | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    max_failure_rate: float = 0.1
    where: Path = field(default_factory=Path.cwd)
    """Where relative paths start."""

    @classmethod
    def of_run(cls, config: RunConfig, **given: Any) -> EvaluateSettings:
        """The run's constitution, roles and limits; ``given`` goes before them."""
        settings: dict[str, Any] = {
            "constitution": config.constitution,
            "models": dict(config.models),
            "critic": config.critic,
            "judge": config.judge,
            "system": config.system,
            "seed": config.seed,
            "concurrency": config.concurrency,
        }
        return cls(**settings | given)


def checked(kind: type[T], values: Mapping[str, Any]) -> T:
    """A part of a run file made of settings; what is wrong with one is said by its flag."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        flag = f"--{name.replace('_', '-')}" if "." not in name else name
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{flag}: {message[0].lower() + message[1:]}") from error


def model_entry(named: Named, where: Path, role: str) -> ModelConfig:
    """``named`` as an entry of a run file. A folder is run by transformers unless a provider is named."""
    if isinstance(named, ModelConfig):
        return named
    provider, colon, _ = named.partition(":")
    if (where / named).expanduser().is_dir():
        return ModelConfig(name=f"transformers:{(where / named).expanduser()}")
    if not colon or "/" in provider or "." in provider:
        raise UsageError(
            f"{role}: {named!r} is neither a model folder nor of the form provider:model, for example "
            "openai:gpt-4o-mini or transformers:Qwen/Qwen3-0.6B"
        )
    return ModelConfig(name=named)
