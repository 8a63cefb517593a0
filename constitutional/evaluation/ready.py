"""An evaluation before it asks anything: everything that can be wrong is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constitutional.config.run import RunConfig
from constitutional.core.constitution import Constitution
from constitutional.core.records import Prompt
from constitutional.errors import ConfigError, PromptFileError, UsageError, near_matches
from constitutional.evaluation.contamination import contaminated
from constitutional.evaluation.contenders import TUNED, Contender, contenders
from constitutional.evaluation.gate import Wanted, check_gate, parse_gate
from constitutional.evaluation.measures import KINDS, Tags
from constitutional.evaluation.perplexity import passages
from constitutional.evaluation.settings import BENIGN, HARMFUL, EvaluateSettings, checked
from constitutional.evaluation.weigh import Weighing, score_names, verdicts_only, weighing
from constitutional.pipeline.bind import Bind, NoModel, Unasked
from constitutional.pipeline.constitution import read_constitution
from constitutional.pipeline.prompts import read_prompts
from constitutional.pipeline.rows import RowFault
from constitutional.plugins import PluginHost

NAME_A_MODEL = (
    "critic and judge ask a model, and none is named: give --judge PROVIDER:NAME (or --model, --critic), a RUN, "
    "or plugins that ask none"
)
ASKS = frozenset({"llm", "pairwise-logprob", "pairwise-cot", "rubric"})
"""Critics and judges of ours that ask a model."""


@dataclass(frozen=True, slots=True)
class Ready:
    """An evaluation of which everything is checked that can be checked without a call."""

    settings: EvaluateSettings
    host: PluginHost
    contenders: list[Contender]
    prompts: list[Prompt]
    constitution: Constitution
    roles: RunConfig
    tags: Tags
    gate: list[Wanted]
    warnings: list[str]
    not_measured: dict[str, str]
    passages: list[str]
    """Of the reference text."""

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.contenders]

    def weigher(self, bind: Bind) -> Weighing:
        bound = bind if self.roles.models else NoModel(bind, NAME_A_MODEL)
        return weighing(self.roles, self.settings.scorers, self.host, self.settings.where, bound, self.constitution)


def prepare(settings: EvaluateSettings, host: PluginHost, constitution: Constitution | None = None) -> Ready:
    constitution = constitution or read_constitution(settings.constitution, settings.where, host)
    roles = _roles(settings)
    prompts, warnings = _prompts(settings)
    tags, not_measured = _tags(settings, prompts)
    gate = parse_gate(settings.gate) if settings.gate is not None else []
    models = contenders(settings, host)
    texts = [] if settings.reference_text is None else passages(settings.reference_text, settings.where)
    ready = Ready(settings, host, models, prompts, constitution, roles, tags, gate, warnings, not_measured, texts)
    ready.weigher(Unasked())
    if not roles.models and _asks(roles, constitution):
        raise UsageError(NAME_A_MODEL)
    check_gate(gate, measure_names(ready), ready.names)
    tuned = next(one for one in models if one.name == TUNED).entry.name.partition(":")[2]
    folder = settings.where / tuned
    warnings += contaminated(prompts, settings.trained_on, folder if folder.is_dir() else None)
    return ready


def measure_names(ready: Ready) -> list[str]:
    """Every measure that there can be."""
    tags = sorted({tag for prompt in ready.prompts for tag in prompt.tags})
    parts = [f"tier:{tier.id}" for tier in ready.constitution.tiers]
    parts += [f"principle:{principle.id}" for _, principle in ready.constitution]
    parts += [f"tag:{tag}" for tag in tags]
    scores = score_names(ready.settings.scorers)
    return [
        *KINDS,
        *(f"violation_rate/{part}" for part in parts),
        *scores,
        *(f"{score}/tag:{tag}" for score in scores for tag in tags),
    ]


def _roles(settings: EvaluateSettings) -> RunConfig:
    """The configuration of critic, judge and scorers. Whoever has no model of their own asks the policy's, as in a run;
    where that is not named either, the one that another role asks."""
    models = dict(settings.models)
    if "policy" not in models:
        own = next((models[name] for name in ("judge", "critic", "scorer") if name in models), None)
        if own is not None:
            models["policy"] = own
    values = {
        "prompts": settings.prompts,
        "constitution": settings.constitution,
        "models": models,
        "critic": settings.critic,
        "judge": settings.judge,
        "system": settings.system,
        "responses": settings.responses,
        "seed": settings.seed,
        "limit": settings.limit,
        "concurrency": settings.concurrency,
        "max_calls": settings.max_calls,
        "max_cost": settings.max_cost,
        "max_failure_rate": settings.max_failure_rate,
        "out": settings.out,
    }
    config = checked(RunConfig, values)
    unknown = [part.model for part in settings.scorers if part.model is not None and part.model not in models]
    if unknown:
        raise ConfigError(f"scorers: no model {unknown[0]!r} under `models`{near_matches(unknown[0], models)}")
    return verdicts_only(config)


def _asks(roles: RunConfig, constitution: Constitution) -> bool:
    """Whether the plugin of some principle is one that asks a model."""
    critics = {principle.critic.plugin if principle.critic else roles.critic.plugin for _, principle in constitution}
    judges = {principle.judge.plugin if principle.judge else roles.judge.plugin for _, principle in constitution}
    return bool((critics | judges) & ASKS)


def _prompts(settings: EvaluateSettings) -> tuple[list[Prompt], list[str]]:
    found: list[Prompt] = []
    faults: list[RowFault] = []
    for row in read_prompts(settings.prompts, settings.where, settings.limit):
        if isinstance(row, RowFault):
            faults.append(row)
        else:
            found.append(row)
    if not found:
        why = f" ({faults[0].source}: {faults[0].detail})" if faults else ""
        raise PromptFileError(f"{settings.prompts}: no prompt in it{why}")
    first = (
        f"{len(faults):,} rows are no prompts; the first is {faults[0].source}: {faults[0].detail}" if faults else ""
    )
    return found, [first] if first else []


def _tags(settings: EvaluateSettings, prompts: Sequence[Prompt]) -> tuple[Tags, dict[str, str]]:
    """Which tags say what a prompt deserves. One that was named and that no prompt has is a mistake; where nobody named
    one and none of the usual occurs, the measure is not taken."""
    present = {tag for prompt in prompts for tag in prompt.tags}
    found, missing = {}, {}
    for name, given, usual, measure in (
        ("benign", settings.benign, BENIGN, "over_refusal"),
        ("harmful", settings.harmful, HARMFUL, "refusal_harmful"),
    ):
        for tag in given or ():
            if tag not in present:
                raise UsageError(f"--{name} {tag}: no prompt has this tag{near_matches(tag, present)}")
        found[name] = frozenset(present & set(usual if given is None else given))
        if not found[name]:
            asked = " or ".join(usual)
            why = f"no prompt has the tag {asked}: tag the {name} ones, or name their tag with --{name} TAG"
            missing[measure] = missing[f"{measure}/partial"] = why
    return Tags(found["benign"], found["harmful"]), missing
