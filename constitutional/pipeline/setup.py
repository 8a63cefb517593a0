"""From a run's configuration to its cast: every name looked up, every option and template checked, no model called."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from constitutional.config.constitution import Provided, constitution_digest, find_constitution, load_constitution
from constitutional.config.judge_card import ConstitutionIdentity, JudgeCard, JudgeIdentity
from constitutional.config.run import DEFAULT_MODEL, ROLES, ModelConfig, PartConfig, PluginConfig, RunConfig
from constitutional.core.constitution import Constitution, Mode, PluginUse
from constitutional.core.digest import canonical, digest
from constitutional.core.enforcement import in_force
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling
from constitutional.errors import (
    ConfigError,
    ConstitutionalError,
    PluginError,
    RunStoppedError,
    UnknownNameError,
    UsageError,
    near_matches,
)
from constitutional.ledger import BatchJournal, Ledger, Once
from constitutional.models.base import BatchingModel, ChatModel
from constitutional.models.batch import BatchedModel, Desk, Purse, Straight, Waits
from constitutional.models.meter import Meter, Price
from constitutional.models.recorded import RecordedModel
from constitutional.models.throttle import Throttle
from constitutional.models.work import RecordedWork, Worker
from constitutional.pipeline.admission import admitted
from constitutional.pipeline.dispatch import CriticByPrinciple, JudgeByPrinciple, own_plugins
from constitutional.pipeline.trace import Cast
from constitutional.plugins import BUILTIN, PluginHost
from constitutional.roles import Filter, Model, ModelSetup, PromptFilter, Remember, Scorer, SetFilter, Setup
from constitutional.templates import Templates

PIPELINE = 3
"""Raised when the code of this folder would make another trace of the same calls: finished traces are then redone."""
DEFAULT_MAX_TOKENS = 1024
PUBLISHED_ROUNDS = 4


class Bind(Protocol):
    """Where answers come from: it makes the models that roles see, and the memory of plugins."""

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        """``entry`` is one of the run's ``models``; None: the role's own."""
        ...

    def remember(self, worker: Worker) -> Remember: ...


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


def rounds_of(config: RunConfig, constitution: Constitution) -> int:
    if config.rounds is not None:
        return config.rounds
    return PUBLISHED_ROUNDS if constitution.mode == "draw" else 1


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
            self.throttles[key] = Throttle(config.concurrency or self.config.concurrency, name=config.name)
        return self.adapters[key]

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
            concurrency=entry.concurrency or self.config.concurrency,
        )
        adapter: ChatModel = registered.factory(setup)
        return adapter

    async def aclose(self) -> None:
        for desk in self.desks:
            await desk.aclose()
        for adapter in self.adapters.values():
            await adapter.aclose()


@dataclass(frozen=True, slots=True)
class Assembly:
    """A cast, and the digest of everything that a trace depends on besides its prompt."""

    cast: Cast
    models: Models
    constitution: Constitution
    templates: dict[str, str]
    template_texts: dict[str, str]
    plan: str
    judge: JudgeIdentity
    judge_settings: list[Any]
    """How the judge's model is sampled, where the judge lets it write."""
    card: JudgeCard | None
    """What is known of the judge, where the run names a judge card."""
    gate: tuple[PromptFilter, ...] = ()
    """Filters that look at prompts before anything is asked."""
    sieve: tuple[SetFilter, ...] = ()
    """Filters that look at the pairs of the whole run, when it ends."""
    scorers: tuple[Scorer, ...] = ()
    """Those asked for beside the cast's own, in order."""

    @property
    def known_models(self) -> dict[str, dict[str, Any]]:
        """Role → which model plays it, without where it is and how it is reached."""
        config = self.models.config
        found = {}
        for role in ROLES:
            identity = self.models.adapter(role).identity
            entry = model_config(config, role)
            found[role] = {"model": identity.get("model", entry.name), "revision": identity.get("revision")}
            found[role]["license"] = entry.license
        return found

    @property
    def named(self) -> ConstitutionIdentity:
        """The constitution as a judge card names it."""
        found = self.constitution
        return ConstitutionIdentity(name=found.name, version=found.version, digest=constitution_digest(found))

    def state(self, prompt_id: str, messages: Any, tags: Any) -> str:
        """Names one prompt under this plan: a finished trace with the same state need not be made again."""
        return f"{self.plan}:{digest([prompt_id, messages, tags])}"


def assemble(
    config: RunConfig,
    host: PluginHost,
    base: Path,
    bind: Bind,
    mode: Mode | None = None,
    constitution: Constitution | None = None,
    scorers: Sequence[PartConfig] = (),
) -> Assembly:
    """``base`` is where relative paths start; ``bind`` makes the model that a role sees; ``mode`` goes before the
    constitution's own; ``constitution`` is one that was read before, whatever its file says now; ``scorers`` are more
    than the run's one."""
    check_budget(config)
    constitution = constitution or read_constitution(config.constitution, base, host)
    constitution = in_force(replace(constitution, mode=mode or constitution.mode))
    models = Models(config, host, base, constitution.mode)
    templates = Templates(base)
    parts: dict[str, Any] = {}
    used: list[Any] = []
    by_plugin: dict[str, dict[str, str]] = {}
    roles = ("critic", "reviser", "judge", "scorer")
    wanted: list[tuple[str, str, PluginConfig]] = [(role, role, config.part(role)) for role in roles]
    if constitution.mode == "tiered" and constitution.on_unresolved == "refuse":
        wanted.append(("refuser", "reviser", PluginConfig(plugin="refuse")))
    wanted.append(("strategy", "pairing", config.strategy))
    wanted += [(f"filters.{number}", "filter", part) for number, part in enumerate(config.filters)]

    def make(kind: str, use: PluginUse, where: str, entry: str | None = None) -> Any:
        registered = host.get(kind, use.plugin)
        options = registered.options(dict(use.options), where)
        role = kind if kind in ROLES else "judge"
        version = "" if registered.distribution == BUILTIN else registered.version
        worker = Worker(kind, use.plugin, version, options.model_dump(mode="json") if options else {})
        noted: list[Any] = [where, worker.name, worker.version, worker.options]
        if entry is not None:
            noted.append(_asked(config, role, models, entry))
        used.append(noted)
        own_templates = templates.part()
        setup = Setup(
            use.plugin,
            options,
            bind(role, models, entry),
            own_templates,
            constitution,
            config.seed,
            bind.remember(worker),
            lambda kind, use, model=None: make(kind, use, f"{where}.{use.where or use.plugin}", model or entry),
            noted.append,
            base,
        )
        made = registered.factory(setup)
        by_plugin[where] = by_plugin.get(where, {}) | own_templates.digests
        return made

    for where, kind, part in wanted:
        parts[where] = make(kind, PluginUse(part.plugin, part.options), where)
    more = [make("scorer", PluginUse(part.plugin, part.options), f"scorers.{number}", part.model)
            for number, part in enumerate(scorers)]  # fmt: skip
    critics, judges = own_plugins(constitution, lambda kind, use: make(kind, use, kind))
    asked = {role: _asked(config, role, models) for role in ROLES}
    judge = _judge_identity(used, by_plugin, asked["judge"])
    card = admitted(config, base, judge)
    filters = [_filter(parts[f"filters.{number}"], part.plugin) for number, part in enumerate(config.filters)]
    cast = Cast(
        policy=bind("policy", models),
        critic=CriticByPrinciple(parts["critic"], critics) if critics else parts["critic"],
        reviser=parts["reviser"],
        refuser=parts.get("refuser"),
        judge=JudgeByPrinciple(parts["judge"], judges) if judges else parts["judge"],
        scorer=parts["scorer"],
        pairing=parts["strategy"],
        filters=tuple(item for item in filters if isinstance(item, Filter)),
        constitution=constitution,
        strategy=config.strategy.plugin,
        responses=config.responses,
        rounds=rounds_of(config, constitution),
        min_margin=config.min_margin,
        system=config.system,
        seed=config.seed,
        calibrator=None if card is None else card.calibration.calibrator,
    )
    settings: list[Any] = [config.responses, cast.rounds, config.min_margin, config.system, config.seed]
    if cast.calibrator is not None:
        settings.append(cast.calibrator.to_json())
    plan = digest([PIPELINE, constitution_digest(constitution), templates.digests, used, asked, settings])
    texts = templates.texts
    return Assembly(
        cast, models, constitution, templates.digests, texts, plan, judge, asked["judge"][1], card,
        tuple(item for item in filters if isinstance(item, PromptFilter)),
        tuple(item for item in filters if isinstance(item, SetFilter)),
        tuple(more),
    )  # fmt: skip


def _filter(made: Any, name: str) -> Any:
    if not isinstance(made, Filter | PromptFilter | SetFilter):
        raise PluginError(f"filter {name!r} has no method of a filter: check, admit or sift")
    return made


def _judge_identity(used: list[Any], by_plugin: dict[str, dict[str, str]], asked: Any) -> JudgeIdentity:
    """Of all plugins those that judge: the run's judge, its members, and the judges of single principles."""
    own = [noted for noted in used if noted[0].partition(".")[0] == "judge"]
    (_, plugin, version, options, *depends), *parts = own
    templates = {name: value for where in by_plugin if where.partition(".")[0] == "judge"
                 for name, value in by_plugin[where].items()}  # fmt: skip
    return JudgeIdentity(
        plugin=plugin,
        version=version,
        options=options,
        model=asked[0],
        parts=parts,
        depends=depends,
        templates=templates,
    )


def check(config: RunConfig, host: PluginHost, base: Path) -> Assembly:
    """Raise whatever is wrong with a configuration, before a run folder is made for nothing."""
    return assemble(config, host, base, Unasked())


class Unasked:
    """Models that are only named, and plugins that do no work."""

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        return _Silent(models.adapter(role, entry).id)

    def remember(self, worker: Worker) -> Remember:
        async def refuse(
            question: Any, work: Callable[[], Awaitable[Any]], *, assumed: Any = None, complete: bool = False
        ) -> Any:
            raise RunStoppedError(f"{worker.name} was to work while the configuration was only checked")

        return refuse


@dataclass(frozen=True, slots=True)
class _Silent:
    id: str

    async def chat(self, request: ChatRequest) -> ChatReply:
        raise RunStoppedError(f"{self.id} was asked while the configuration was only checked")

    async def choose(self, request: ChatRequest, options: tuple[str, ...]) -> Choice:
        raise RunStoppedError(f"{self.id} was asked while the configuration was only checked")


def recorded(ledger: Once, meter: Meter, config: RunConfig, batches: Ledger | None = None) -> Bind:
    """Models whose every reply goes through the ledger, and so does the work of plugins. ``batches``: the same ledger,
    where models that are to be asked by batches are; without it they are asked directly."""
    return _Recorded(ledger, meter, config, batches)


@dataclass(frozen=True, slots=True)
class _Recorded:
    ledger: Once
    meter: Meter
    config: RunConfig
    batches: Ledger | None

    def __call__(self, role: str, models: Models, entry: str | None = None) -> Model:
        batched = models.by_batches(role, entry, self.batches, self.meter) if self.batches else None
        return RecordedModel(
            batched or models.adapter(role, entry),
            role,
            self.ledger,
            Straight() if batched else models.throttle(role, entry),
            self.meter,
            sampling_of(self.config, role, models.mode, entry),
            price_of(model_config(self.config, role, entry)),
        )

    def remember(self, worker: Worker) -> Remember:
        return RecordedWork(worker, self.ledger, self.meter)


def read_constitution(name: str, base: Path, host: PluginHost) -> Constitution:
    """With all that it extends."""
    offered = provided(host)
    return load_constitution(find_constitution(name, base, offered), offered)


def provided(host: PluginHost) -> Provided:
    """The constitutions that plugins offer; a plugin is asked only for what is named."""

    def path(name: str) -> Path:
        registered = host.get("constitution", name)
        try:
            return Path(registered.factory())
        except ConstitutionalError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"constitution {name!r} of {registered.distribution} cannot be made: {reason}") from error

    return {name: functools.partial(path, name) for name in host.names("constitution")}


def answers_key(config: RunConfig, models: Models) -> str:
    """Everything that the sampled answers depend on: when it changes, nothing derived from them remains."""
    return canonical([_asked(config, "policy", models), config.system, config.seed])


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


def _asked(config: RunConfig, role: str, models: Models, entry: str | None = None) -> Any:
    sampling = sampling_of(config, role, models.mode, entry)
    settings = [sampling.temperature, sampling.top_p, sampling.max_tokens, list(sampling.stop)]
    return [dict(models.adapter(role, entry).identity), settings]


def _connection(entry: ModelConfig) -> str:
    return digest(
        [entry.name, entry.base_url, entry.api_key_env, entry.revision, entry.timeout, entry.options, entry.batch]
    )
