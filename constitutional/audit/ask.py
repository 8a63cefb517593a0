"""Asks the real judge of every labelled pair, both orders, through the ledger: what was asked before costs nothing, and a
killed audit goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from constitutional.audit.attacks import Attacked
from constitutional.audit.pairs import Labelled
from constitutional.audit.verdict import Verdict
from constitutional.config.run import RunConfig
from constitutional.core.constitution import Constitution
from constitutional.core.records import Judgement, Reason
from constitutional.core.ruling import TIED, rule
from constitutional.errors import ModelError, PromptFileError, blame, near_matches
from constitutional.ledger import Ledger, LedgerView, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.arena import LiveArena
from constitutional.pipeline.bind import Bind, NoModel, recorded
from constitutional.pipeline.progress import Progress
from constitutional.pipeline.setup import Assembly, assemble
from constitutional.pipeline.trace import ENDS_THE_RUN, Cast
from constitutional.plugins import PluginHost

NAME_A_MODEL = "this judge asks a model: name it with --model PROVIDER:NAME, or --judge PROVIDER:NAME"
Started = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Answers:
    """One verdict per pair, in order, and what was needed for them."""

    verdicts: list[Verdict]
    attacks: list[tuple[Attacked, Verdict]]
    assembly: Assembly
    progress: Progress


def for_audit(config: RunConfig) -> RunConfig:
    """The run's configuration without what an earlier audit made of it: a judge is measured as it is."""
    return config.model_copy(update={"judge_card": None, "accept_bad_judge": False})


async def ask_judge(
    config: RunConfig,
    folder: RunFolder,
    host: PluginHost,
    base: Path,
    pairs: Sequence[Labelled],
    attacks: Sequence[Attacked],
    *,
    constitution: Constitution | None = None,
    started: Started | None = None,
    own_ledger: bool = True,
    without_model: bool = False,
) -> Answers:
    """The folder must be locked by the caller. Budgets hold for all calls of the folder where it is the audit's own, else
    for this audit. ``constitution`` is one that was read before;
    ``without_model``: nobody named a model, and a judge that asks one is told so."""
    ledger = Ledger(folder.ledger)
    try:
        meter = _meter(config, ledger.path, own_ledger)
        bind: Bind = recorded(ledger, meter, config)
        bind = NoModel(bind, NAME_A_MODEL) if without_model else bind
        assembly = assemble(for_audit(config), host, base, bind, None, constitution)
        try:
            answers = await _ask(assembly, config, pairs, attacks, meter, started)
        finally:
            await ledger.landed()
            await assembly.models.aclose()
            await ledger.flush()
        return answers
    finally:
        ledger.close()


async def count_calls(
    config: RunConfig,
    host: PluginHost,
    base: Path,
    pairs: Sequence[Labelled],
    attacks: Sequence[Attacked],
    bind: Bind,
    constitution: Constitution | None = None,
) -> None:
    """The same questions to models that only count."""
    assembly = assemble(for_audit(config), host, base, bind, None, constitution)
    await _ask(assembly, config, pairs, attacks, Meter(), None)


async def _ask(
    assembly: Assembly,
    config: RunConfig,
    pairs: Sequence[Labelled],
    attacks: Sequence[Attacked],
    meter: Meter,
    started: Started | None,
) -> Answers:
    check_principles(assembly.constitution, pairs)
    asked = [*pairs, *(attack.pair for attack in attacks)]
    progress = Progress(meter)
    found: list[Verdict | None] = [None] * len(asked)

    async def work(place: int, pair: Labelled) -> None:
        found[place] = await _verdict(pair, assembly.cast, progress)

    progress.begin("comparisons", len(asked), assembly.models.throttles)
    if started is not None:
        started(progress)
    await progress.each(asked, work, config.in_flight)
    verdicts = [verdict for verdict in found if verdict is not None]
    own = list(zip(attacks, verdicts[len(pairs) :], strict=True))
    return Answers(verdicts[: len(pairs)], own, assembly, progress)


def check_principles(constitution: Constitution, pairs: Sequence[Labelled]) -> None:
    """A label of one principle needs that principle."""
    known = {principle.id for _, principle in constitution}
    unknown = [pair for pair in pairs if pair.principle is not None and pair.principle not in known]
    if unknown:
        pair = unknown[0]
        hint = near_matches(pair.principle or "", known)
        raise PromptFileError(
            f"{pair.source}: {constitution.name} has no principle {pair.principle!r}{hint}"
            + (f" (and {len(unknown) - 1} more rows)" if len(unknown) > 1 else "")
        )


async def _verdict(pair: Labelled, cast: Cast, progress: Progress) -> Verdict:
    """What goes wrong with one pair costs that pair; only what ends everything is raised."""
    try:
        judgements = await _judgements(pair, cast)
    except ENDS_THE_RUN:
        raise
    except ModelError as error:
        progress.failures[error.reason] += 1
        return Verdict(pair, None, None, None, because=str(error), failure=error.reason)
    except Exception as error:
        progress.failures[Reason.PLUGIN_FAILED] += 1
        because = blame(error)
        return Verdict(pair, None, None, None, because=because, failure=Reason.PLUGIN_FAILED)
    return verdict_of(pair, judgements, cast.constitution)


async def _judgements(pair: Labelled, cast: Cast) -> tuple[Judgement, ...]:
    constitution = cast.constitution if pair.principle is None else only(cast.constitution, pair.principle)
    arena = LiveArena(pair.prompt, (pair.a, pair.b), {}, {}, constitution, cast.judge, cast.scorer, cast.seed)
    try:
        await arena.compare(pair.a, pair.b)
    except BaseException:
        await arena.aclose()
        raise
    return arena.judgements


def verdict_of(pair: Labelled, judgements: Sequence[Judgement], constitution: Constitution) -> Verdict:
    """The constitution's ruling by both orders, and by each of them alone."""
    of_one = constitution if pair.principle is None else only(constitution, pair.principle)

    def ruled(read: Sequence[Judgement]) -> tuple[float | None, str | None]:
        ruling = rule(of_one, pair.prompt.tags, pair.a, pair.b, read)
        return ruling.p, ruling.abstained_because

    p, because = ruled(judgements)
    p_ab, _ = ruled([replace(judgement, p=judgement.p_ab) for judgement in judgements])
    p_ba, _ = ruled([replace(judgement, p=judgement.p_ba) for judgement in judgements])
    return Verdict(pair, p, p_ab, p_ba, tuple(judgements), because or "", because == TIED)


def only(constitution: Constitution, principle_id: str) -> Constitution:
    """The constitution of one principle, which counts for every prompt."""
    tiers = tuple(
        replace(tier, tolerance=0.0, principles=(replace(principle, tags=frozenset(), unless=frozenset()),))
        for tier, principle in constitution
        if principle.id == principle_id
    )
    return replace(constitution, tiers=tiers, contexts={}, mode="tiered")


def _meter(config: RunConfig, path: Path, own_ledger: bool) -> Meter:
    if not own_ledger:
        return Meter(config.max_calls, config.max_cost)
    with LedgerView(path) as view:
        return Meter.of_folder(view, config.max_calls, config.max_cost)
