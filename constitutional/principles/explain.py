"""Why this pair: one prompt's trace in words, from the question to the label."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from constitutional.core.plain import plain
from constitutional.core.records import Judgement, Response, Ruling, Trace

WIDTH = 100
LONGEST_SHOWN = 600


def explain(trace: Trace) -> str:
    """Nothing in it is obeyed by a terminal, whatever the answers, notes and details hold."""
    return plain("\n".join(_lines(trace)))


def _lines(trace: Trace) -> Iterator[str]:
    prompt = trace.prompt
    tags = f"  tags: {', '.join(prompt.tags)}" if prompt.tags else ""
    yield f"prompt {prompt.id}  ({prompt.source}){tags}"
    for role, content in prompt.messages:
        yield from _text(f"{role}: ", content)
    for response in trace.responses:
        if response.round == 0:
            yield ""
            yield f"response {response.id}  ({response.model})"
            yield from _text("  ", response.text)
            yield from _history(trace, response)
    for ruling in trace.rulings:
        yield ""
        yield from _ruling(trace, ruling)
    yield ""
    for pair in trace.pairs:
        yield f"pair: {pair.chosen.id} over {pair.rejected.id}, p_chosen {pair.p_chosen:.3f}, by {pair.strategy}"
    for reject in trace.rejects:
        yield f"no pair: {reject.reason}: {reject.detail}"


def _history(trace: Trace, initial: Response) -> Iterator[str]:
    """Checks, and what was tried, in the order in which it happened."""
    family = {item.id: item for item in trace.responses if item.sample == initial.sample}
    yield from _checks(trace, initial.id)
    for revision in trace.revisions:
        if revision.response_id not in family:
            continue
        outcome = "kept" if revision.revised_id else f"dropped: {revision.note}"
        refusal = " (a refusal)" if revision.refusal else ""
        cut = f", cut off: {', '.join(revision.cut)}" if revision.cut else ""
        yield f"  round {revision.round}: revised for {revision.principle_id}{refusal}, {outcome}{cut}"
        made = family.get(revision.revised_id or f"{initial.id}r{revision.round}")
        if made is not None:
            yield from _text("    ", made.text)
            yield from _checks(trace, made.id, "    ")


def _checks(trace: Trace, response_id: str, indent: str = "  ") -> Iterator[str]:
    for critique in trace.critiques:
        if critique.response_id != response_id:
            continue
        verdict = {True: "violates", False: "upholds", None: "unreadable on"}[critique.violates]
        p = f" (p {critique.p_violates:.2f})" if critique.p_violates is not None else ""
        yield f"{indent}{verdict} {critique.principle_id}{p}"
        if critique.text:
            yield from _text(f"{indent}  ", critique.text)


def _ruling(trace: Trace, ruling: Ruling) -> Iterator[str]:
    yield f"a = {ruling.a}  b = {ruling.b}"
    for judgement in trace.judgements:
        if (judgement.a, judgement.b) == (ruling.a, ruling.b):
            yield f"  {_verdict(judgement)}"
    for opinion in ruling.per_tier:
        yield f"  tier {opinion.tier_id}: P(a) = {opinion.p:.3f}"
    if ruling.vetoed_by:
        loser = ruling.b if (ruling.p or 0) > 0.5 else ruling.a
        yield f"  veto: {loser} violates a principle of the hard tier {ruling.vetoed_by}"
    elif ruling.tier_id:
        yield f"  decided by tier {ruling.tier_id}: P(a) = {ruling.p:.3f}"
    else:
        yield f"  undecided: {ruling.abstained_because}"
    for conflict in ruling.conflicts:
        yield (
            f"  conflict: tier {conflict.overruled} said P(a) = {conflict.overruled_p:.3f} and was overruled by "
            f"{conflict.by} with {conflict.by_p:.3f}"
        )


def _verdict(judgement: Judgement) -> str:
    if judgement.p is None:
        return f"{judgement.principle_id}: abstained ({judgement.note})"
    kept = "side kept" if judgement.consistent else "side lost when swapped"
    return (
        f"{judgement.principle_id}: P(a) = {judgement.p:.3f}  (order ab {judgement.p_ab:.3f}, order ba "
        f"{judgement.p_ba:.3f}, {kept}, {judgement.method})"
    )


def _text(indent: str, text: str) -> Iterator[str]:
    """Wrapped; cleaned before, as what a terminal obeys has no width."""
    clean = plain(text)
    shown = clean if len(clean) <= LONGEST_SHOWN else clean[:LONGEST_SHOWN] + " …"
    for number, line in enumerate(shown.splitlines() or [""]):
        lead = indent if number == 0 else " " * len(indent)
        yield from textwrap.wrap(line, WIDTH, initial_indent=lead, subsequent_indent=" " * len(indent)) or [
            lead.rstrip()
        ]
