"""The run file: everything that `constitutional generate` can be told, with its defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from constitutional.config.source import Source

DEFAULT_MODEL = "scripted:demo"
"""What a run without a model uses: no GPU, no key, no network."""
IN_FLIGHT = 64
"""Calls to a model at once where nobody says how many."""
ROLES = ("policy", "critic", "reviser", "judge", "scorer")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Prices(_Strict):
    """Money per million tokens; the currency is yours."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0, description="Price of cached input tokens; default: `input`.")


class ModelConfig(_Strict):
    """One model and how to sample from it."""

    name: str = Field(description="`provider:model`, for example `vllm:Qwen/Qwen3-4B` or `openai:gpt-4o-mini`.")
    base_url: str | None = Field(default=None, description="Address of an OpenAI-compatible or Anthropic server.")
    api_key_env: str | None = Field(default=None, description="Environment variable that holds the key.")
    revision: str | None = Field(default=None, description="Revision of the model; part of every ledger key.")
    temperature: float | None = Field(default=None, ge=0, description="Default: 1 for responses, 0 elsewhere.")
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, gt=0, description="Longest answer, in tokens; default 1024.")
    stop: list[str] = []
    timeout: float = Field(default=120.0, gt=0, description="Seconds until a call counts as hung and is retried.")
    concurrency: int | None = Field(default=None, gt=0, description="Most calls in flight; default: the run's.")
    batch: bool = Field(
        default=False, description="Ask by the provider's batches, at half the price: replies take hours."
    )
    prices: Prices | None = None
    license: str | None = Field(default=None, description="The licence of the model, for the dataset's card.")
    options: dict[str, Any] = Field(default={}, description="The provider's own options.")

    @field_validator("name")
    @classmethod
    def _has_provider(cls, name: str) -> str:
        provider, colon, model = name.partition(":")
        if not (provider and colon and model):
            raise ValueError(f"{name!r} is not of the form provider:model, for example openai:gpt-4o-mini")
        return name

    def placed(self, base: Path) -> ModelConfig:
        """A model in a local folder or file, by its whole path."""
        provider, _, name = self.name.partition(":")
        path = base / name
        return self.model_copy(update={"name": f"{provider}:{path.absolute()}"}) if path.exists() else self


class BatchConfig(_Strict):
    """How a run waits for batches, where a model is asked by them."""

    max_wait: float | None = Field(
        default=None,
        gt=0,
        description="Hours; then a batch is cancelled and the rest asked directly, at the full price.",
    )
    prompts: int | None = Field(
        default=None,
        gt=0,
        description="Prompts in work at once; default: as many as ask about 12,000 questions at once.",
    )
    poll: float = Field(default=60.0, gt=0, description="Seconds between two looks at a batch.")


class RayConfig(_Strict):
    """The pool of a run with `engine: ray`."""

    replicas: int = Field(
        default=1, gt=0, description="Most replicas; each joins as soon as the cluster has room for it."
    )
    cpus: float = Field(default=1.0, ge=0, description="CPUs of one replica.")
    gpus: float | None = Field(
        default=None, ge=0, description="GPUs of one; default: 1 where it loads a model, else 0."
    )
    address: str | None = Field(
        default=None, description="The cluster, or `auto`; default: RAY_ADDRESS, else this machine."
    )


class PluginConfig(_Strict):
    """A plugin by name."""

    plugin: str
    options: dict[str, Any] = {}


class PartConfig(PluginConfig):
    """A plugin in a role that asks a model."""

    model: str | None = Field(default=None, description="Which of `models` it asks; default: its role's, else policy.")


class WatchConfig(_Strict):
    """From where on a run warns that its labels look gamed or its answers alike."""

    min_pairs: int = Field(default=50, ge=1, description="Fewer comparisons than this warn of nothing.")
    spread: float = Field(default=0.05, ge=0, le=0.5, description="Least standard deviation of P from one half.")
    length_ratio: float = Field(
        default=1.5, ge=1, description="Most that chosen may be longer than rejected, or shorter."
    )
    length_correlation: float = Field(default=0.5, ge=0, le=1, description="Most that P may follow length.")
    diversity: float = Field(default=0.8, ge=0, description="Least distinct word pairs of chosen against rejected.")
    repetition: float = Field(
        default=0.1, ge=0, le=1, description="Most of a chosen text that it said before, on average."
    )
    refusals: float = Field(default=0.1, ge=0, le=1, description="Most by which refusals among chosen exceed rejected.")
    boilerplate: float = Field(
        default=0.3, ge=0, le=1, description="Largest share of chosen with one opening or closing."
    )
    human_correlation: float = Field(default=0.2, ge=-1, le=1, description="Least that P may follow human labels.")


class SplitConfig(_Strict):
    """How the test split is drawn."""

    tags: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default={},
        description="Tag → the share of its prompts that is put in the test split, in place of `test_fraction`.",
    )
    similarity: float | None = Field(
        default=None, gt=0, le=1, description="Prompts that are at least so similar are in one split."
    )
    exact: bool = Field(default=False, description="Each combination of tags has just its share.")


class RunConfig(_Strict):
    prompts: str | None = Field(default=None, description="JSONL, CSV, Parquet, a saved dataset, a Hub id, or `-`.")
    constitution: str = Field(default="base", description="A shipped name or a YAML file.")
    models: dict[str, ModelConfig] = Field(
        default={}, description="`policy` answers; `critic`, `reviser` and `judge` default to it, `scorer` to `judge`."
    )
    critic: PartConfig = PartConfig(plugin="llm")
    reviser: PartConfig = PartConfig(plugin="llm")
    judge: PartConfig = PartConfig(plugin="pairwise-logprob")
    scorer: PartConfig = PartConfig(plugin="pointwise")
    judge_card: str | None = Field(
        default=None, description="What `constitutional audit` found of the judge; calibrates its labels."
    )
    accept_bad_judge: bool = Field(default=False, description="Label although the card says that the judge is unfit.")
    strategy: PluginConfig = PluginConfig(plugin="revised-vs-initial")
    filters: list[PluginConfig] = []
    system: str | None = Field(default=None, description="A system message put before every dialogue that has none.")
    responses: int = Field(default=1, ge=1, description="Answers sampled per prompt.")
    rounds: int | None = Field(
        default=None, ge=0, description="Revisions tried per violated principle; default 1, in draw mode 4; 0: none."
    )
    min_margin: float = Field(default=0.0, ge=0, le=1, description="Pairs with |2p - 1| under this are dropped.")
    seed: int = 0
    limit: int | None = Field(default=None, gt=0, description="Use the first N prompts.")
    test_fraction: float = Field(default=0.0, ge=0, lt=1, description="Share of prompts put in the test split.")
    split: SplitConfig = SplitConfig()
    concurrency: int | None = Field(
        default=None,
        gt=0,
        description=f"Most calls in flight per model; by default {IN_FLIGHT}, or as many as a `vllm:` engine can use.",
    )
    engine: Literal["local", "ray"] = Field(default="local", description="Where prompts are worked on.")
    ray: RayConfig = RayConfig()
    batch: BatchConfig = BatchConfig()
    max_cost: float | None = Field(default=None, gt=0, description="Stop, keeping everything, at this much money.")
    max_calls: int | None = Field(default=None, gt=0, description="Stop, keeping everything, after this many calls.")
    max_failure_rate: float = Field(default=0.1, ge=0, le=1, description="Stop when more prompts than this fail.")
    watch: WatchConfig = WatchConfig()
    out: str | None = Field(default=None, description="The run folder.")

    @field_validator("prompts", "constitution", "judge_card", "out", mode="before")
    @classmethod
    def _home(cls, value: Any) -> Any:
        """No shell reads a run file, nor ``--out=~/runs``."""
        return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~") else value

    @field_validator("critic", "reviser", "judge", "scorer", "strategy", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"plugin": value} if isinstance(value, str) else value

    @field_validator("filters", mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        return [cls._short_form(item) for item in value] if isinstance(value, list) else value

    @field_validator("models", mode="before")
    @classmethod
    def _short_models(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: {"name": item} if isinstance(item, str) else item for key, item in value.items()}

    @model_validator(mode="after")
    def _models_exist(self) -> RunConfig:
        for role in ("critic", "reviser", "judge", "scorer"):
            wanted = self.part(role).model
            if wanted is not None and wanted not in self.models:
                known = ", ".join(sorted(self.models)) or "none"
                raise ValueError(f"{role}.model: no model {wanted!r} under `models` (there are: {known})")
        return self

    @model_validator(mode="after")
    def _one_way_to_wait(self) -> RunConfig:
        batched = next((name for name, model in self.models.items() if model.batch), None)
        if self.engine == "ray" and batched is not None:
            raise ValueError(
                f"engine: ray does not go with models.{batched}.batch: a provider's batches need one driver only"
            )
        return self

    @property
    def in_flight(self) -> int:
        """Most calls to a model that does not say itself how many it can use."""
        return self.concurrency or IN_FLIGHT

    def part(self, role: str) -> PartConfig:
        return {"critic": self.critic, "reviser": self.reviser, "judge": self.judge, "scorer": self.scorer}[role]

    def model_for(self, role: str) -> str:
        """Which entry of ``models`` a role asks."""
        if role == "policy":
            return "policy"
        wanted = self.part(role).model
        if wanted is not None or role in self.models:
            return wanted or role
        return "judge" if role == "scorer" and "judge" in self.models else "policy"

    def placed(self, base: Path) -> RunConfig:
        """With whole paths, so that it is this very run from wherever it is called. ``base`` is where its own start."""
        here: dict[str, Any] = {"models": {name: model.placed(base) for name, model in self.models.items()}}
        for name, value in (
            ("prompts", self.prompts),
            ("constitution", self.constitution),
            ("judge_card", self.judge_card),
        ):
            if value is not None and (base / value.partition("#")[0]).exists():
                here[name] = str((base / value).absolute())
        return self.model_copy(update=here)

    def dump(self) -> str:
        """The resolved configuration as YAML: what was used, every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def read_run(path: Path) -> RunConfig:
    return Source.read(path).validate(RunConfig)
