"""From a run's configuration to its cast: every name looked up, every option and template checked, no model called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from constitutional.config.constitution import constitution_digest
from constitutional.config.judge_card import ConstitutionIdentity, JudgeCard, JudgeIdentity
from constitutional.config.run import ROLES, PartConfig, PluginConfig, RunConfig
from constitutional.core.constitution import Constitution, Mode, PluginUse
from constitutional.core.digest import canonical, digest
from constitutional.core.enforcement import in_force
from constitutional.core.records import Prompt, Reject
from constitutional.core.stats.calibration import Calibrator
from constitutional.models.work import Worker
from constitutional.pipeline.bind import Bind, Unasked
from constitutional.pipeline.by_principle import CriticByPrinciple, JudgeByPrinciple, own_plugins
from constitutional.pipeline.constitution import read_constitution
from constitutional.pipeline.judge_card import admitted
from constitutional.pipeline.models import Models, asked_of, check_budget, model_config
from constitutional.pipeline.strangers import made_by
from constitutional.pipeline.trace import Cast
from constitutional.plugins import BUILTIN, PluginHost
from constitutional.roles import Filter, PromptFilter, Scorer, SetFilter, Setup
from constitutional.templates import Templates

PIPELINE = 3
"""Raised when the code of this folder would make another trace of the same calls: finished traces are then redone."""
PUBLISHED_ROUNDS = 4


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
    prompt_filters: tuple[PromptFilter, ...] = ()
    """Filters that look at prompts before anything is asked."""
    run_filters: tuple[SetFilter, ...] = ()
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

    def state(self, prompt: Prompt, refusal: Reject | None = None) -> str:
        """Names one prompt under this plan: a finished trace with the same state need not be made again. A refusal depends
        on the prompts before, and so it is part of the name."""
        state = f"{self.plan}:{digest([prompt.id, prompt.messages, prompt.tags])}"
        return state if refusal is None else f"{state}:{digest([refusal.reason, refusal.detail])[:8]}"


def check(config: RunConfig, host: PluginHost, base: Path) -> Assembly:
    """Raise whatever is wrong with a configuration, before a run folder is made for nothing."""
    return assemble(config, host, base, Unasked())


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
    casting = _Casting(config, host, base, bind, constitution, models, Templates(base))
    parts = {where: casting.make(kind, use, where) for where, kind, use in _wanted(config, constitution)}
    more = [casting.make("scorer", _use(part), f"scorers.{n}", part.model) for n, part in enumerate(scorers)]
    parts |= casting.by_principle(parts)

    asked = {role: asked_of(config, role, models) for role in ROLES}
    judge = casting.judge_identity(asked["judge"])
    card = admitted(config, base, judge)
    filters = [parts[f"filters.{n}"] for n in range(len(config.filters))]
    cast = casting.cast(parts, filters, None if card is None else card.calibration.calibrator)
    return Assembly(
        cast=cast,
        models=models,
        constitution=constitution,
        templates=casting.templates.digests,
        template_texts=casting.templates.texts,
        plan=casting.plan(cast, asked),
        judge=judge,
        judge_settings=asked["judge"][1],
        card=card,
        prompt_filters=tuple(item for item in filters if isinstance(item, PromptFilter)),
        run_filters=tuple(item for item in filters if isinstance(item, SetFilter)),
        scorers=tuple(more),
    )


def _wanted(config: RunConfig, constitution: Constitution) -> Iterator[tuple[str, str, PluginUse]]:
    """The plugins that the run file names: where, of which kind, and which with what options."""
    for role in ("critic", "reviser", "judge", "scorer"):
        yield role, role, _use(config.part(role))
    if constitution.mode == "tiered" and constitution.on_unresolved == "refuse":
        yield "refuser", "reviser", PluginUse("refuse")
    yield "strategy", "pairing", _use(config.strategy)
    for number, part in enumerate(config.filters):
        yield f"filters.{number}", "filter", _use(part)


def _use(part: PluginConfig) -> PluginUse:
    return PluginUse(part.plugin, part.options)


@dataclass(frozen=True, slots=True)
class _Casting:
    """Makes the plugins of a run one after another, and notes of each what traces depend on."""

    config: RunConfig
    host: PluginHost
    base: Path
    bind: Bind
    constitution: Constitution
    models: Models
    templates: Templates
    used: list[list[Any]] = field(default_factory=list)
    """Of each: where it is named, its name, version and options, which other model it asks, and what else it says that it
    depends on."""
    templates_at: dict[str, dict[str, str]] = field(default_factory=dict)
    """Where a plugin is named → the digests of the templates that it uses."""

    def make(self, kind: str, use: PluginUse, where: str, entry: str | None = None) -> Any:
        """``entry`` is the one of the run's ``models`` that it asks; None: its role's own. What it is made of itself is
        made here too, and stands under ``where``."""
        registered = self.host.get(kind, use.plugin)
        options = registered.options(dict(use.options), where)
        role = kind if kind in ROLES else "judge"
        version = "" if registered.distribution == BUILTIN else registered.version
        worker = Worker(kind, use.plugin, version, options.model_dump(mode="json") if options else {})
        noted: list[Any] = [where, worker.name, worker.version, worker.options]
        if entry is not None:
            noted.append(asked_of(self.config, role, self.models, entry))
        self.used.append(noted)

        def part(kind: str, use: PluginUse, model: str | None = None) -> Any:
            return self.make(kind, use, f"{where}.{use.where or use.plugin}", model or entry)

        templates = self.templates.part()
        setup = Setup(
            name=use.plugin,
            options=options,
            model=self.bind(role, self.models, entry),
            templates=templates,
            constitution=self.constitution,
            seed=self.config.seed,
            remember=self.bind.remember(worker),
            part=part,
            depends=noted.append,
            base=self.base,
        )
        made = made_by(registered, setup)
        self.templates_at[where] = self.templates_at.get(where, {}) | templates.digests
        return made

    def by_principle(self, parts: dict[str, Any]) -> dict[str, Any]:
        """Critic and judge, where single principles name one of their own."""
        critics, judges = own_plugins(self.constitution, lambda kind, use: self.make(kind, use, kind))
        return {
            "critic": CriticByPrinciple(parts["critic"], critics) if critics else parts["critic"],
            "judge": JudgeByPrinciple(parts["judge"], judges) if judges else parts["judge"],
        }

    def cast(self, parts: dict[str, Any], filters: Sequence[Any], calibrator: Calibrator | None) -> Cast:
        config = self.config
        return Cast(
            policy=self.bind("policy", self.models),
            critic=parts["critic"],
            reviser=parts["reviser"],
            refuser=parts.get("refuser"),
            judge=parts["judge"],
            scorer=parts["scorer"],
            pairing=parts["strategy"],
            filters=tuple(item for item in filters if isinstance(item, Filter)),
            constitution=self.constitution,
            strategy=config.strategy.plugin,
            responses=config.responses,
            rounds=rounds_of(config, self.constitution),
            min_margin=config.min_margin,
            system=config.system,
            seed=config.seed,
            calibrator=calibrator,
        )

    def judge_identity(self, asked: Any) -> JudgeIdentity:
        """Of all plugins those that judge: the run's judge, its members, and the judges of single principles."""
        own = [noted for noted in self.used if _judges(noted[0])]
        (_, plugin, version, options, *depends), *parts = own
        return JudgeIdentity(
            plugin=plugin,
            version=version,
            options=options,
            model=asked[0],
            parts=parts,
            depends=depends,
            templates={
                name: value
                for where, digests in self.templates_at.items()
                if _judges(where)
                for name, value in digests.items()
            },
        )

    def plan(self, cast: Cast, asked: dict[str, Any]) -> str:
        """The digest of everything that a trace depends on besides its prompt."""
        settings: list[Any] = [cast.responses, cast.rounds, cast.min_margin, cast.system, cast.seed]
        if cast.calibrator is not None:
            settings.append(cast.calibrator.to_json())
        constitution = constitution_digest(self.constitution)
        return digest([PIPELINE, constitution, self.templates.digests, self.used, asked, settings])


def _judges(where: str) -> bool:
    return where.partition(".")[0] == "judge"


def rounds_of(config: RunConfig, constitution: Constitution) -> int:
    if config.rounds is not None:
        return config.rounds
    return PUBLISHED_ROUNDS if constitution.mode == "draw" else 1


def answers_key(config: RunConfig, models: Models) -> str:
    """Everything that the sampled answers depend on: when it changes, nothing derived from them remains."""
    return canonical([asked_of(config, "policy", models), config.system, config.seed])
