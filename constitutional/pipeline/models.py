"""The models of a run: which one a role asks, with what settings, and one adapter for each distinct one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.config.run import DEFAULT_MODEL, IN_FLIGHT, ROLES, ModelConfig, RunConfig
from constitutional.core.constitution import Mode
from constitutional.core.digest import digest
from constitutional.core.messages import Sampling
from constitutional.errors import ConfigError, UnknownNameError, UsageError, near_matches
from constitutional.ledger import BatchJournal, Ledger
from constitutional.models.base import ChatModel, EngineModel, SharedEngineModel
from constitutional.models.batches.api import BatchingModel
from constitutional.models.batches.desk import Desk
from constitutional.models.batches.model import BatchedModel
from constitutional.models.batches.patient import Waits
from constitutional.models.batches.purse import Purse
from constitutional.models.meter import Meter, Price
from constitutional.models.throttle import Throttle
from constitutional.pipeline.strangers import made_by
from constitutional.plugins import PluginHost
from constitutional.roles import ModelSetup

DEFAULT_MAX_TOKENS = 1024


def model_config(config: RunConfig, role: str, entry: str | None = None) -> ModelConfig:
    return config.models.get(entry or config.model_for(role)) or ModelConfig(name=DEFAULT_MODEL)


def sampling_of(config: RunConfig, role: str, mode: Mode = "tiered", entry: str | None = None) -> Sampling:
    """Responses are sampled at temperature 1, in draw mode critiques and revisions too; other roles answer greedily,
    unless their own model entry says otherwise."""
    model = model_config(config, role, entry)
    borrowed = role != "policy" and (entry or config.model_for(role)) == "policy"
    sampled = role == "policy" or (mode == "draw" and role in ("critic", "reviser"))
    usual = 1.0 if sampled else 0.0
    temperature = usual if borrowed or model.temperature is None else model.temperature
    top_p = None if borrowed else model.top_p
    return Sampling(temperature, top_p, model.max_tokens or DEFAULT_MAX_TOKENS, None, tuple(model.stop))


def price_of(model: ModelConfig) -> Price:
    prices = model.prices
    if prices is None:
        return Price()
    return Price(prices.input, prices.output, prices.input if prices.cached is None else prices.cached)


@dataclass(slots=True)
class Models:
    """The adapters of a run: one per distinct model, however many roles share it."""

    config: RunConfig
    host: PluginHost
    base: Path
    mode: Mode = "tiered"
    adapters: dict[str, ChatModel] = field(default_factory=dict)
    throttles: dict[str, Throttle] = field(default_factory=dict)
    batched: dict[str, BatchedModel] = field(default_factory=dict)
    """Of the adapters those that are asked by batches."""
    desks: list[Desk] = field(default_factory=list)

    def adapter(self, role: str, entry: str | None = None) -> ChatModel:
        """``entry`` is one of the run's ``models``; None: the role's own."""
        name = entry or self.config.model_for(role)
        if entry is not None and entry not in self.config.models:
            raise UnknownNameError(f"no model {entry!r} under `models`{near_matches(entry, self.config.models)}")
        config = model_config(self.config, role, entry)
        _check_price(self.config, name, config)
        key = _connection(config)
        if key not in self.adapters:
            self.adapters[key] = self._make(config, name)
            if config.batch and not isinstance(self.adapters[key], BatchingModel):
                raise ConfigError(
                    f"models.{name}.batch: {config.name} has no batches; `openai:` and `anthropic:` models have"
                )
            self.throttles[key] = self._new_throttle(config, self.adapters[key])
        return self.adapters[key]

    def _new_throttle(self, entry: ModelConfig, adapter: ChatModel) -> Throttle:
        told = entry.concurrency or self.config.concurrency
        throttle = Throttle(told or IN_FLIGHT, name=entry.name, at_once=isinstance(adapter, EngineModel))
        if told is None and isinstance(adapter, SharedEngineModel):
            throttle.places = adapter.places
        return throttle

    def by_batches(self, role: str, entry: str | None, ledger: Ledger, meter: Meter) -> BatchedModel | None:
        """The same model asked by batches, where the run file says so."""
        config = model_config(self.config, role, entry)
        direct = self.adapter(role, entry)
        if not (config.batch and isinstance(direct, BatchingModel)):
            return None
        key = _connection(config)
        if key not in self.batched:
            hours, poll = self.config.batch.max_wait, self.config.batch.poll
            desk = Desk(
                direct.id,
                direct.batches(),
                BatchJournal(ledger, direct.id),
                lambda: ledger.in_flight > sum(desk.waiting for desk in self.desks),
                Waits(None if hours is None else hours * 3600, poll),
                Purse(meter, price_of(config)),
            )
            self.desks.append(desk)
            self.batched[key] = BatchedModel(direct, desk, self.throttles[key])
        return self.batched[key]

    def throttle(self, role: str, entry: str | None = None) -> Throttle:
        self.adapter(role, entry)
        return self.throttles[_connection(model_config(self.config, role, entry))]

    def _make(self, entry: ModelConfig, name: str) -> ChatModel:
        provider, _, model = entry.name.partition(":")
        registered = self.host.get("model", provider)
        setup = ModelSetup(
            provider=provider,
            model=str(self.base / model) if (self.base / model).exists() else model,
            options=registered.options(entry.options, f"models.{name}"),
            base_url=entry.base_url,
            api_key_env=entry.api_key_env,
            revision=entry.revision,
            timeout=entry.timeout,
            concurrency=entry.concurrency or self.config.in_flight,
        )
        adapter: ChatModel = made_by(registered, setup)
        return adapter

    async def aclose(self) -> None:
        for desk in self.desks:
            await desk.aclose()
        for adapter in self.adapters.values():
            await adapter.aclose()


def asked_of(config: RunConfig, role: str, models: Models, entry: str | None = None) -> Any:
    """Which model a role asks, and how it is sampled."""
    sampling = sampling_of(config, role, models.mode, entry)
    settings = [sampling.temperature, sampling.top_p, sampling.max_tokens, list(sampling.stop)]
    return [dict(models.adapter(role, entry).identity), settings]


def check_budget(config: RunConfig) -> None:
    """A limit on money means nothing while a paid model has no price."""
    for role in ROLES:
        _check_price(config, config.model_for(role), model_config(config, role))


def _check_price(config: RunConfig, entry: str, model: ModelConfig) -> None:
    if config.max_cost is not None and model.prices is None and model.name.startswith(("openai:", "anthropic:")):
        raise UsageError(
            f"--max-cost needs the price of {model.name}: give `prices: {{input: …, output: …}}` per million tokens "
            f"under models.{entry} in the run file, or --price IN,OUT (0,0 for a server of your own)"
        )


def _connection(entry: ModelConfig) -> str:
    return digest(
        [entry.name, entry.base_url, entry.api_key_env, entry.revision, entry.timeout, entry.options, entry.batch]
    )
