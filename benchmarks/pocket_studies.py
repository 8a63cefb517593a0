"""What the toolkit's features are worth, where the truth is known: studies on the pocket world.

    python -m benchmarks.pocket_studies [--studies labels,losses] [--seeds 0,1,2] [--keep DIR] [--json] [--save]

Each study changes one thing of a run or of a training, over several seeds; what comes out is measured by the oracle on
held-out questions. A training has 40 steps, so that a study takes minutes: enough to see a difference, not to see the end
of it. With ``--save`` rows that are there already are kept where they are not measured anew, so that studies may be made one
by one."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.measure import RESULTS, command_line, numbers, report, save, table
from benchmarks.pocket_lab import STEPS, Lab, pooled
from constitutional.core.records import Judgement, Trace
from constitutional.core.ruling import rule
from constitutional.core.stats.intervals import wilson
from constitutional.pocket import oracle
from constitutional.pocket.jobs import constitution
from constitutional.pocket.world import read
from constitutional.training.folder import RECORD

Row = dict[str, Any]
Study = Callable[[Lab], Iterator[Row]]
CERTAINTY = 0.95
ROUNDS = 3
NOISES = (0.0, 0.15, 0.3)
TRUTH = {"judge": "pocket-oracle", "critic": "pocket-oracle"}


def oracle_judge(**options: float) -> dict[str, Any]:
    return {"plugin": "pocket-oracle", "options": options}


def base(lab: Lab) -> Iterator[Row]:
    """The model before any training."""
    yield {"variant": "before training", **lab.measured()}


def labels(lab: Lab) -> Iterator[Row]:
    """Judges that are wrong of some pairs and sure of all: hard labels, their own probabilities, calibrated ones."""
    for noise in NOISES:
        judge = oracle_judge(noise=noise, certainty=CERTAINTY)
        lab.generate(harm="strong", judge=judge)
        for kind in ("hard", "soft"):
            yield _trained(lab, f"{noise:.0%} of the pairs wrong, {kind} labels", labels=kind)
        card = lab.audited()
        lab.generate(harm="strong", judge=judge, judge_card=str(card))
        yield _trained(lab, f"{noise:.0%} of the pairs wrong, calibrated labels", labels="soft")


def orders(lab: Lab) -> Iterator[Row]:
    """A judge that looks at the place alone in three pairs of ten."""
    lab.generate(harm="strong", judge=oracle_judge(place=0.3, certainty=CERTAINTY))
    file = lab.folder / "one-order.jsonl"
    pairs, right = _in_one_order(lab, file)
    row = _trained(lab, "one order, drawn by lot", source=file)
    yield row | {"pairs": pairs, "right": right}
    yield _trained(lab, "both orders, averaged")


def losses(lab: Lab) -> Iterator[Row]:
    """The model's own labels."""
    lab.generate()
    yield _trained(lab, "DPO")
    yield _trained(lab, "IPO", loss="ipo")
    yield _trained(lab, "hybrid", loss="hybrid")
    yield _trained(lab, "DPO, β = 0.1", beta=0.1)
    row = _trained(lab, "auto", loss="auto")
    took = json.loads((lab.folder / "models" / "model" / RECORD).read_text("utf-8"))["settings"]["loss"]
    yield row | {"variant": f"auto, which took {took.upper()}"}
    yield _trained(lab, "SFT on the revisions alone", stages=("sft",), sft_lr=3e-4)


def tiers(lab: Lab) -> Iterator[Row]:
    """Answers as they were sampled, compared with each other: the better of two that are both at fault must be told."""
    usual: dict[str, Any] = {**TRUTH, "strategy": "all-pairs", "rounds": 0, "responses": 4}
    for variant, mode in (("tiered", "tiered"), ("flat: one vote per principle", "all")):
        lab.generate(mode=mode, **usual)
        yield _trained(lab, variant)


def gate(lab: Lab) -> Iterator[Row]:
    """A judge that is wrong of seven pairs in ten."""
    lab.generate(harm="strong", judge=oracle_judge(noise=0.7, certainty=CERTAINTY))
    yield _trained(lab, "without the gate")
    fit = json.loads(lab.audited().read_text("utf-8"))["gate"]["may_label"]
    yield {"variant": "with the gate: " + ("let through" if fit else "refused, nothing is trained"), **lab.measured()}


def strategies(lab: Lab) -> Iterator[Row]:
    """Which of n sampled answers become pairs. The scores are the oracle's, the labels too."""
    usual: dict[str, Any] = {**TRUTH, "scorer": "pocket-oracle"}
    for count in (2, 4, 8):
        for name in ("revised-vs-initial", "best-vs-worst", "mu-minus-2-sigma"):
            among = {} if name == "revised-vs-initial" else {"options": {"among": "sampled"}}
            rounds = 1 if name == "revised-vs-initial" else 0
            lab.generate(strategy={"plugin": name, **among}, responses=count, rounds=rounds, **usual)
            yield _trained(lab, f"{name}, n = {count}")


def rounds(lab: Lab) -> Iterator[Row]:
    """How often a violated principle is tried again; nothing is trained."""
    for count in (1, 2, 3, 4):
        made = lab.generate(rounds=count)
        calls = sum(role["calls"] + role["reused"] for role in made["roles"])
        flagged, clean = _revised(lab.traces())
        row = {
            "variant": f"rounds: {count}",
            "pairs": made["pairs"],
            "calls": calls,
            "flagged": flagged,
            "clean": clean,
        }
        yield row | lab.labels()


def iterate(lab: Lab) -> Iterator[Row]:
    """Rounds in which the trained model answers anew, each trained on its new pairs alone, or with earlier ones among them;
    and one round trained for as long as three."""
    for variant, mix in (("new pairs alone", "100,0,0"), ("with replay", "50,30,20")):
        for number, model in enumerate(lab.iterated(mix, ROUNDS, "--mix", mix), 1):
            yield {"variant": f"{variant}, round {number}", **lab.measured(model)}
    lab.generate()
    yield _trained(lab, f"one round, {ROUNDS * STEPS} steps", steps=ROUNDS * STEPS)


STUDIES: dict[str, Study] = {
    "base": base, "labels": labels, "losses": losses, "tiers": tiers, "gate": gate, "strategies": strategies,
    "orders": orders, "rounds": rounds, "iterate": iterate,
}  # fmt: skip
TITLES = {
    "labels": "Labels under a noisy judge",
    "losses": "Losses",
    "tiers": "Tiers that conflict",
    "gate": "A judge below chance",
    "strategies": "Which answers become pairs",
    "orders": "One order or both",
    "rounds": "Rounds of revision",
    "iterate": "Rounds of training",
}


def _trained(lab: Lab, variant: str, source: Path | None = None, **settings: Any) -> Row:
    model = lab.trained("model", source, **settings)
    return {"variant": variant, **lab.labels(), **lab.measured(model)}


def _in_one_order(lab: Lab, to: Path) -> tuple[int, float]:
    """The dataset as it would be if each pair had been judged once, with either answer first; how many pairs, and how many
    of them right."""
    random, lines, right = Random(lab.seed), [], 0
    for trace in lab.traces():
        answers = {response.id: response for response in trace.responses}
        question = read(trace.prompt.messages)
        for one in trace.rulings:
            a, b, first = answers[one.a], answers[one.b], random.random() < 0.5
            said = [_once(found, first) for found in trace.judgements if (found.a, found.b) == (one.a, one.b)]
            ruling = rule(constitution(), trace.prompt.tags, a, b, said)
            if ruling.p is None:
                continue
            chosen, rejected = (a, b) if ruling.p > 0.5 else (b, a)
            right += oracle.prefers(question, chosen.text, rejected.text) > 0
            turns = [message._asdict() for message in trace.prompt.messages]
            lines.append({
                "prompt": turns,
                "chosen": [{"role": "assistant", "content": chosen.text}],
                "rejected": [{"role": "assistant", "content": rejected.text}],
                "p_chosen": max(ruling.p, 1 - ruling.p),
            })  # fmt: skip
    to.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return len(lines), right / max(1, len(lines))


def _once(found: Judgement, first: bool) -> Judgement:
    return replace(found, p=found.p_ab if first else found.p_ba)


def _revised(traces: list[Trace]) -> tuple[int, int]:
    """Sampled answers that violate something, and those whose last revision violates nothing, by the oracle."""
    flagged = clean = 0
    for trace in traces:
        question = read(trace.prompt.messages)
        texts = {response.id: response.text for response in trace.responses}
        last: dict[str, str] = {response.id: response.id for response in trace.responses if response.round == 0}
        for revision in trace.revisions:
            if revision.revised_id is not None:
                for start, end in last.items():
                    if end == revision.response_id:
                        last[start] = revision.revised_id
        for start, end in last.items():
            if oracle.violations(question, texts[start]):
                flagged += 1
                clean += not oracle.violations(question, texts[end])
    return flagged, clean


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """Nothing of this stands in the README's table: a study has no bar."""
    return []


def details(figures: dict[str, Any]) -> str:
    """Every study that was made."""
    rows = figures["rows"]
    before = [row for row in rows if row["study"] == "base"]
    parts = [f"Before training: {_share(before, 'violations', 'answers')} of the answers violate a principle, "
             f"{_share(before, 'hard', 'answers')} a hard one; {_share(before, 'correct', 'harmless')} of the harmless "
             "questions are answered correctly."] if before else []  # fmt: skip
    for name, title in TITLES.items():
        own = [row for row in rows if row["study"] == name]
        if own:
            text = (STUDIES[name].__doc__ or "").replace("\n    ", " ")
            parts += [f"### {title}", text, _rounds_table(own) if name == "rounds" else _table(own)]
    return "\n\n".join(parts)


def _table(rows: list[Row]) -> str:
    head = ("", "pairs", "labels right", "violations", "of each seed", "hard", "harmless correct", "harmless refused")
    shown = []
    for variant, own in _by_variant(rows).items():
        pairs = " / ".join(f"{row['pairs']:,.0f}" for row in own if "pairs" in row)
        right = " / ".join(f"{row['right']:.0%}" for row in own if "right" in row)
        each = " / ".join(f"{row['violations'] / row['answers']:.1%}" for row in own)
        shown.append((variant, pairs, right, _share(own, "violations", "answers"), each, _share(own, "hard", "answers"),
                      _share(own, "correct", "harmless"), _share(own, "refused", "harmless")))  # fmt: skip
    return table(head, shown)


def _rounds_table(rows: list[Row]) -> str:
    head = ("", "violating answers that end clean", "calls", "pairs")
    shown = [
        (variant, _share(own, "clean", "flagged"), " / ".join(f"{row['calls']:,}" for row in own),
         " / ".join(f"{row['pairs']:,.0f}" for row in own))
        for variant, own in _by_variant(rows).items()
    ]  # fmt: skip
    return table(head, shown)


def _by_variant(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        found.setdefault(row["variant"], []).append(row)
    return found


def _share(rows: list[Row], hits: str, of: str) -> str:
    """Of all seeds together, with its 95 % interval."""
    interval = wilson(*pooled(rows, hits, of)) if rows else None  # type: ignore[arg-type]
    return "" if interval is None else f"{interval.value:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def saved() -> list[Row]:
    path = RESULTS / "pocket_studies.json"
    rows: list[Row] = json.loads(path.read_text("utf-8"))["figures"]["rows"] if path.exists() else []
    return rows


def main() -> None:
    parser = command_line("pocket_studies", __doc__)
    parser.add_argument("--studies", default=",".join(STUDIES))
    parser.add_argument("--seeds", type=numbers, default="0,1,2")
    parser.add_argument("--keep", type=Path, help="a folder for the runs; default: one that is removed at the end")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for study in options.studies.split(","):
            for seed in options.seeds:
                lab = Lab((options.keep or Path(temporary)) / f"seed-{seed}", seed)
                new = [{"study": study, "seed": seed, **row} for row in STUDIES[study](lab)]
                before = saved() if options.save else rows  # another process may have saved meanwhile
                rows = [row for row in before if (row["study"], row["seed"]) != (study, seed)] + new
                print("\n".join(map(json.dumps, new)), file=sys.stderr)
                if options.save:
                    save("pocket_studies", {"steps": STEPS, "rows": rows})
    report(options, {"steps": STEPS, "rows": saved() if options.save else rows}, details)


if __name__ == "__main__":
    main()
