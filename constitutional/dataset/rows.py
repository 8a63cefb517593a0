"""One trace to the rows of each subset. ``docs/dataset.md`` describes the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from constitutional.core.digest import pair_id
from constitutional.core.records import Message, Pair, Response, Trace

Row = dict[str, Any]
SUBSETS = ("preference", "sft", "unpaired", "rejects")
ID = "id"
"""The column that names a row by all its others; whoever writes the rows fills it in."""


def schemas() -> Mapping[str, Any]:
    """The Arrow schema of every subset: fixed, so that an empty subset has the columns of a full one."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    texts = pa.list_(text)
    conflicts = pa.list_(pa.struct([("overruled", text), ("overruled_p", number), ("by", text), ("by_p", number)]))
    common = [("prompt_id", text), ("tags", texts), ("run", text)]
    return {
        "preference": pa.schema(
            [
                (ID, text), ("prompt", messages), ("chosen", messages), ("rejected", messages),
                ("p_chosen", number), ("p_raw", number), ("margin", number), ("human_label", number),
                ("chosen_score", number), ("rejected_score", number),
                ("deciding_tier", text), ("vetoed_by", text), ("principles", texts), ("conflicts", conflicts),
                ("strategy", text), ("judge_method", text), ("order_consistency", number),
                ("chosen_model", text), ("rejected_model", text), ("chosen_round", pa.int64()),
                ("models", pa.list_(pa.struct([("role", text), ("model", text)]))), *common,
            ]
        ),
        "sft": pa.schema(
            [
                (ID, text), ("prompt", messages), ("completion", messages), ("round", pa.int64()), ("principle", text),
                ("resolved", pa.bool_()), ("model", text), *common,
            ]
        ),
        "unpaired": pa.schema(
            [(ID, text), ("prompt", messages), ("completion", messages), ("label", pa.bool_()), *common]
        ),
        "rejects": pa.schema(
            [
                (ID, text), ("prompt", messages), ("reason", text), ("detail", text), ("failure", pa.bool_()),
                ("source", text), *common,
            ]
        ),
    }  # fmt: skip


def rows_of(
    trace: Trace, models: Mapping[str, str], run: str, human: Mapping[str, float] | None = None
) -> Iterator[tuple[str, Row]]:
    """(subset, row) of everything that a trace yields. ``human``: pair id → the share of people who prefer the text that
    sorts first."""
    common = {
        "prompt": _messages(trace.prompt.messages),
        "prompt_id": trace.prompt.id,
        "tags": list(trace.prompt.tags),
        "run": run,
    }
    named = [{"role": role, "model": model} for role, model in models.items()]
    for pair in trace.pairs:
        label = _human_label(pair, trace, human or {})
        yield "preference", common | _preference(pair, trace) | {"models": named, "human_label": label}
    by_id = {response.id: response for response in trace.responses}
    for revision in trace.revisions:
        if revision.revised_id is not None:
            yield "sft", common | _revision(by_id[revision.revised_id], revision.principle_id, trace)
    for text, label in _labels(trace).items():
        if label is not None:
            yield "unpaired", common | {"completion": _answer(text), "label": label}
    for reject in trace.rejects:
        fields = {"reason": reject.reason, "detail": reject.detail, "failure": reject.failure}
        yield "rejects", common | fields | {"source": trace.prompt.source}


def bad_row(source: str, reason: str, detail: str, failure: bool, run: str) -> tuple[str, Row]:
    """A line of the prompt file that was no prompt."""
    fields: Row = {"prompt": [], "prompt_id": None, "tags": [], "run": run}
    return "rejects", fields | {"reason": reason, "detail": detail, "failure": failure, "source": source}


def _preference(pair: Pair, trace: Trace) -> Row:
    judged = [
        judgement
        for judgement in trace.judgements
        if (judgement.a, judgement.b) == (pair.ruling.a, pair.ruling.b) and judgement.p is not None
    ]
    consistent = [bool(judgement.consistent) for judgement in judged]
    return {
        "chosen": _answer(pair.chosen.text),
        "rejected": _answer(pair.rejected.text),
        "p_chosen": pair.p_chosen,
        "p_raw": None if pair.ruling.p is None else max(pair.ruling.p, 1 - pair.ruling.p),
        "margin": pair.margin,
        "chosen_score": pair.chosen_score,
        "rejected_score": pair.rejected_score,
        "deciding_tier": pair.ruling.tier_id,
        "vetoed_by": pair.ruling.vetoed_by,
        "principles": [judgement.principle_id for judgement in judged],
        "conflicts": _conflicts(pair),
        "strategy": pair.strategy,
        "judge_method": pair.judge_method,
        "order_consistency": sum(consistent) / len(consistent) if consistent else None,
        "chosen_model": pair.chosen.model,
        "rejected_model": pair.rejected.model,
        "chosen_round": pair.chosen.round,
    }


def _human_label(pair: Pair, trace: Trace, human: Mapping[str, float]) -> float | None:
    """The share of people who prefer what was chosen."""
    chosen, rejected = pair.chosen.text, pair.rejected.text
    share = human.get(pair_id(trace.prompt.messages, chosen, rejected)) if human else None
    return share if share is None or chosen <= rejected else 1 - share


def _conflicts(pair: Pair) -> list[Row]:
    """With the probabilities as P(chosen is better)."""
    turned = pair.chosen.id != pair.ruling.a
    return [
        {
            "overruled": conflict.overruled,
            "overruled_p": 1 - conflict.overruled_p if turned else conflict.overruled_p,
            "by": conflict.by,
            "by_p": 1 - conflict.by_p if turned else conflict.by_p,
        }
        for conflict in pair.ruling.conflicts
    ]


def _revision(response: Response, principle: str, trace: Trace) -> Row:
    return {
        "completion": _answer(response.text),
        "round": response.round,
        "principle": principle,
        "resolved": response.id not in trace.unresolved,
        "model": response.model,
    }


def _labels(trace: Trace) -> dict[str, bool | None]:
    """Answer text → whether it was chosen; None for one that was chosen here and rejected there."""
    labels: dict[str, bool | None] = {}
    for pair in trace.pairs:
        for text, label in ((pair.chosen.text, True), (pair.rejected.text, False)):
            labels[text] = label if labels.get(text, label) == label else None
    return labels


def _answer(text: str) -> list[Row]:
    return [{"role": "assistant", "content": text}]


def _messages(messages: tuple[Message, ...]) -> list[Row]:
    return [{"role": role, "content": content} for role, content in messages]
