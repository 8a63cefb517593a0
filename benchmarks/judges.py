"""Judges against people: published verdicts, the rule that counts characters, and judges with planted faults.

    CONSTITUTIONAL_REFERENCE_DATA=FOLDER python -m benchmarks.judges [--pairs 1500] [--json] [--save]

- planted: scripted judges with known faults, through the real audit; what it finds, and whether the gate lets them label.
- published: the verdicts of five models on LLMBar (Zeng et al., 2023), each pair in both orders, measured as an audit
  measures; needs the reference data.
- length: how often the longer answer is the one that people prefer; needs the reference data."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import command_line, report, table
from constitutional.audit.ask import ask_judge
from constitutional.audit.attacks import attacked
from constitutional.audit.card import data_of, make_card
from constitutional.audit.gate import gate
from constitutional.audit.labels import Labels, read_labels
from constitutional.audit.measures import measures
from constitutional.audit.rows import Readings, labelled_of
from constitutional.audit.verdict import Verdict
from constitutional.config.judge_card import JudgeCard, Measured
from constitutional.config.run import RunConfig
from constitutional.core.records import Judgement
from constitutional.ledger import RunFolder
from constitutional.pipeline.rows import RowFault
from constitutional.plugins import PluginHost
from tests.support import judges

REFERENCE = "CONSTITUTIONAL_REFERENCE_DATA"
PLANTED = {
    "fair": "nothing",
    "first": f"log-odds {judges.PLACE:+g} for the place shown first",
    "lengthy": f"log-odds {judges.DOUBLING:+g} per doubling of length",
    "longer": f"sees nothing else: log-odds {judges.DOUBLING:+g} per doubling of length",
    "contrary": "prefers the worse answer",
    "mumbling": f"{judges.UNREADABLE:.0%} of the pairs unreadable",
    "overconfident": f"log-odds {judges.TEMPERATURE:g} times too large",
    "coin": "says one half of everything",
}
MODELS = ("GPT-4", "PaLM2", "ChatGPT", "LLaMA2", "Falcon")
SETS = {
    "Natural": ("Natural",),
    "Adversarial": tuple(f"Adversarial/{name}" for name in ("Neighbor", "GPTInst", "GPTOut", "Manual")),
}


def planted(pairs: int) -> dict[str, Any]:
    return {name: _planted(name, pairs) for name in PLANTED}


def _planted(name: str, pairs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "good.yaml").write_text(json.dumps(judges.CONSTITUTION))
        (base / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in judges.labelled(pairs)))
        model = f"scripted:tests.support.judges:{name}"
        config = RunConfig.model_validate({"constitution": "good.yaml", "models": {"policy": model}})
        labels = read_labels(["labels.jsonl"], base)
        run = RunFolder(base / "run")
        run.create()
        answers = asyncio.run(ask_judge(config, run, PluginHost(), base, labels.pairs, attacked(labels.pairs, 25, 0)))
        return _figures(make_card(labels, answers, version="", seed=0))


def _figures(card: JudgeCard) -> dict[str, Any]:
    found, calibration = card.measures, card.calibration
    fooled = [attack.fooled.value for attack in found.attacks if attack.fooled is not None]
    parameters = calibration.parameters if calibration.kind == "temperature" else []
    return {
        "may_label": card.gate.may_label,
        "accuracy": _value(found.accuracy.overall),
        "coverage": _value(found.accuracy.coverage),
        "consistency": _value(found.orders.consistency),
        "log_odds_first": _value(found.orders.log_odds),
        "per_doubling": _value(found.length.per_doubling),
        "unread": sum(group.abstained for group in found.principles) / card.data.pairs,
        "fooled": sum(fooled) / len(fooled) if fooled else None,
        "ece_before": calibration.before.ece.value if calibration.before else None,
        "ece_after": calibration.after.ece.value if calibration.after else None,
        "temperature": 1 / parameters[0] if parameters and parameters[0] > 0 else None,
    }


def published(data: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (data / "llmbar" / "judge_verdicts.jsonl").read_text().splitlines()]
    verdicts = {(line["subset"], line["judge"]): line for line in lines if line["strategy"] == "Vanilla"}
    found: dict[str, Any] = {}
    for name, subsets in SETS.items():
        texts = {subset: _llmbar(data, subset) for subset in subsets}
        for model in MODELS:
            said = [
                verdict for subset in subsets for verdict in _said(texts[subset], verdicts[f"LLMBar/{subset}", model])
            ]
            found[f"{name}, {model}"] = _of(said)
    return found


def _llmbar(data: Path, subset: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((data / "llmbar" / "LLMBar" / subset / "dataset.json").read_text())
    return rows


def _said(texts: Sequence[dict[str, Any]], line: dict[str, Any]) -> Iterator[Verdict]:
    """One verdict in words in either order: a probability of 0 or 1, or none."""
    winners = zip(line["winner_original_order"], line["winner_swapped_order"], strict=True)
    for place, (row, (first, second)) in enumerate(zip(texts, winners, strict=True)):
        fields = {"prompt": row["input"], "a": row["output_1"], "b": row["output_2"], "label": row["label"]}
        pair = labelled_of(fields, f"{line['subset']}:{place}", "gold", Readings())
        if pair is None or isinstance(pair, RowFault):
            raise ValueError(f"{line['subset']}:{place}: {pair}")
        p_ab, p_ba = ({"1": 1.0, "2": 0.0}.get(winner) for winner in (first, second))
        judgement = Judgement.of(pair.a, pair.b, "llmbar", p_ab, p_ba, "published")
        yield Verdict(pair, judgement.p, p_ab, p_ba, (judgement,))


def _of(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    found = measures(verdicts)
    labels = Labels([verdict.pair for verdict in verdicts], ("LLMBar",))
    return {
        "pairs": len(verdicts),
        "one_order": _value(found.accuracy.one_order),
        "agreed": _value(found.accuracy.consistent),
        "agreed_coverage": _value(found.accuracy.consistent_coverage),
        "first": _value(found.orders.first),
        "judge_longer": _value(found.length.judge_longer),
        "people_longer": _value(found.length.people_longer),
        "kappa": _value(found.agreement.kappa),
        "may_label": gate(found, data_of(labels, verdicts)).may_label,
    }


def lengths(data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "hh.jsonl")
        file.write_bytes(gzip.decompress((data / "hh_rlhf_harmless_test" / "test.jsonl.gz").read_bytes()))
        harmless = read_labels([str(file)], Path(folder)).pairs
    found = {"hh-rlhf, harmless, test": [Verdict(pair, None, None, None) for pair in harmless]}
    for name, subsets in SETS.items():
        lines = [{"subset": s, "winner_original_order": [], "winner_swapped_order": []} for s in subsets]
        texts = [(line, _llmbar(data, str(line["subset"]))) for line in lines]
        found[f"LLMBar, {name}"] = [
            verdict
            for line, rows in texts
            for verdict in _said(rows, line | {"winner_original_order": [""] * len(rows),
                                               "winner_swapped_order": [""] * len(rows)})
        ]  # fmt: skip
    rule = {name: measures(verdicts).length.people_longer for name, verdicts in found.items()}
    return {
        name: {"n": one.n, "value": one.value, "low": one.low, "high": one.high} for name, one in rule.items() if one
    }


def _value(found: Measured | None) -> float | None:
    return None if found is None else found.value


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    rows = figures["planted"]
    bad = [name for name in ("longer", "contrary", "coin") if not rows[name]["may_label"]]
    sure = rows["overconfident"]
    return [
        (
            f"position bias of {judges.PLACE:g} in log-odds, and length bias of {judges.DOUBLING:g} per doubling: as found",
            f"{rows['first']['log_odds_first']:.2f} and {rows['lengthy']['per_doubling']:.2f}",
            "those",
        ),
        (
            f"log-odds {judges.TEMPERATURE:g} times too large: as found; calibration error before → after",
            f"{sure['temperature']:.2f}; {sure['ece_before']:.3f} → {sure['ece_after']:.3f}",
            "a fifth",
        ),
        ("judges that only count characters, are below chance, or toss a coin: refused", f"{len(bad)} of 3", "all"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page, and on that of the judges."""
    parts = [
        f"Planted faults, {figures['pairs']:,} labelled pairs each, and what the audit finds:",
        _planted_table(figures),
    ]
    if "published" in figures:
        parts += [
            "Published verdicts (LLMBar: 100 natural pairs, 319 where the worse answer is made to look the better), judged "
            "in both orders; the longer answer is the better one in the share given last:",
            _published_table(figures["published"]),
            "How often people prefer the longer answer:",
            _length_table(figures["length"]),
        ]
    return "\n\n".join(parts)


def _planted_table(figures: dict[str, Any]) -> str:
    head = ("judge", "planted", "accuracy", "keeps its side", "log-odds, first", "per doubling", "unreadable", "attacks won",
            "ECE before → after", "may label")  # fmt: skip
    rows = [
        (
            name,
            PLANTED[name],
            _two(row["accuracy"]),
            _two(row["consistency"]),
            _two(row["log_odds_first"]),
            _two(row["per_doubling"]),
            f"{row['unread']:.0%}",
            "–" if row["fooled"] is None else f"{row['fooled']:.0%}",
            f"{_three(row['ece_before'])} → {_three(row['ece_after'])}"
            + (f" (temperature {row['temperature']:.2f})" if row["temperature"] else ""),
            "yes" if row["may_label"] else "**no**",
        )
        for name, row in figures["planted"].items()
    ]
    return table(head, rows)


def _published_table(published: dict[str, Any]) -> str:
    head = ("set, judge", "one order", "both orders agree", "of the pairs", "names the first", "longer wins, by the judge",
            "by people", "may label")  # fmt: skip
    rows = [
        (
            name,
            f"{row['one_order']:.1%}",
            f"{row['agreed']:.1%}",
            f"{row['agreed_coverage']:.0%}",
            f"{row['first']:.0%}",
            f"{row['judge_longer']:.0%}",
            f"{row['people_longer']:.0%}",
            "yes" if row["may_label"] else "**no**",
        )
        for name, row in published.items()
    ]
    return table(head, rows)


def _length_table(length: dict[str, Any]) -> str:
    rows = [
        (name, f"{row['value']:.1%}", f"{row['low']:.1%} to {row['high']:.1%}", f"{row['n']:,}")
        for name, row in length.items()
    ]
    return table(("labels", "the longer is preferred", "95 % interval", "pairs"), rows)


def _two(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 2) + 0.0:.2f}"


def _three(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    parser = command_line("judges", __doc__)
    parser.add_argument("--pairs", type=int, default=1500, help="labelled pairs per planted judge")
    options = parser.parse_args()
    figures: dict[str, Any] = {"pairs": options.pairs, "planted": planted(options.pairs)}
    folder = os.environ.get(REFERENCE)
    if folder:
        figures |= {"published": published(Path(folder)), "length": lengths(Path(folder))}
    else:
        print(f"{REFERENCE} names no folder: only the planted faults are measured", file=sys.stderr)
    report(options, figures, details)


if __name__ == "__main__":
    main()
