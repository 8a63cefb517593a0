"""The dataset's card: what it is, how it was made, and numbers that were counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from constitutional.config.judge_card import JudgeCard
from constitutional.core.records import Trace
from constitutional.core.watch import Watch
from constitutional.dataset.rows import SUBSETS

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
MEANING = {
    "preference": "`prompt`, `chosen`, `rejected`, the label's probability `p_chosen`, and the reasons for it",
    "sft": "`prompt`, `completion`: the revisions of every round",
    "unpaired": "`prompt`, `completion`, `label`",
    "rejects": "what did not become a pair, and why",
}


@dataclass(slots=True)
class Tally:
    """The card's numbers, counted while the rows are written."""

    prompts: int = 0
    responses: int = 0
    revised: int = 0
    pairs: int = 0
    p_chosen: float = 0.0
    margin: float = 0.0
    chosen_characters: int = 0
    rejected_characters: int = 0
    conflicts: int = 0
    rejects: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    violated: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    judged: int = 0
    consistent: int = 0
    watch: Watch = field(default_factory=Watch)

    def add(self, trace: Trace) -> None:
        self.watch.add(trace)
        self.prompts += 1
        self.responses += sum(response.round == 0 for response in trace.responses)
        self.revised += sum(response.round > 0 for response in trace.responses)
        self.rejects.update(reject.reason for reject in trace.rejects)
        initial = {response.id for response in trace.responses if response.round == 0}
        for critique in trace.critiques:
            if critique.response_id in initial:
                self.checked[critique.principle_id] += 1
                self.violated[critique.principle_id] += bool(critique.violates)
                self.unread[critique.principle_id] += critique.violates is None
        for judgement in trace.judgements:
            if judgement.p is not None:
                self.judged += 1
                self.consistent += bool(judgement.consistent)
        for pair in trace.pairs:
            self.pairs += 1
            self.p_chosen += pair.p_chosen
            self.margin += pair.margin
            self.chosen_characters += len(pair.chosen.text)
            self.rejected_characters += len(pair.rejected.text)
            self.conflicts += bool(pair.ruling.conflicts)
            self.tiers[pair.ruling.tier_id or "none"] += 1
            self.methods[pair.judge_method] += 1

    def bad_row(self, reason: str) -> None:
        self.rejects[reason] += 1


def card(
    tally: Tally,
    counts: Mapping[str, Mapping[str, int]],
    config: Mapping[str, Any],
    models: Mapping[str, str],
    run: str,
    signature: str,
    judge: JudgeCard | None = None,
    odd: Sequence[str] = (),
) -> str:
    """Deterministic: no dates, no machine, no addresses. ``odd`` is what the watch warns of."""
    head = yaml.safe_dump(_metadata(tally, counts, signature), sort_keys=False, allow_unicode=True)
    sections = [
        f"# Preferences by the constitution `{_name(config['constitution'])}`",
        "Made with [constitutional](https://pypi.org/project/constitutional/): a policy's answers were criticised, revised "
        "and judged in both orders by written principles. A label is a probability with a reason.",
        "```\nprompts → responses → critiques → revisions → judgements → pairs\n```",
        _table("Numbers", ("what", "count"), _numbers(tally)),
        _table("Subsets", ("subset", "rows", "what it holds"), _subsets(counts)),
        _table("What did not become a pair, and why", ("reason", "count"), tally.rejects.most_common()),
        _table("Which tier decided", ("tier", "pairs"), tally.tiers.most_common()),
        _table(
            "Violations in the sampled answers",
            ("principle", "checked", "violated", "share", "unreadable"),
            _violations(tally),
        ),
        _judge(judge, accepted=bool(config["accept_bad_judge"])),
        "## Watch\n\n" + "\n".join(f"- {_inert(line)}" for line in odd) if odd else "",
        _table("Models", ("role", "model"), list(models.items())),
        "## How to load\n\n```python\nfrom datasets import load_dataset\n\n"
        'pairs = load_dataset("PATH_OR_HUB_ID", "preference", split="train")\n```',
        f"## How to reproduce\n\n`constitutional generate config.yaml` with the run's `config.yaml`; run `{run}`.",
        "## Limits\n\nThe labels are a model's opinion under the principles. Judges have biases of position, length and "
        "authorship" + ("; measure the judge against people before you rely on it." if judge is None else "."),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"


def _judge(judge: JudgeCard | None, *, accepted: bool) -> str:
    """What an audit found of the judge that labelled this."""
    if judge is None:
        return "## The judge\n\nNot measured against people (`constitutional audit` does it)."
    verdict = "By its judge card it may label."
    if not judge.gate.may_label:
        reasons = "; ".join(check.words for check in judge.gate.checks if not check.passed)
        overruled = ", and whoever made this dataset overruled that (`--accept-bad-judge`)" if accepted else ""
        verdict = f"**By its judge card it is unfit to label**{overruled}: {reasons}."
    found, calibration = judge.measures, judge.calibration
    rows = [
        ("accuracy against people, both orders", found.accuracy.overall),
        ("takes a side", found.accuracy.coverage),
        ("accuracy where both orders agree", found.accuracy.consistent),
        ("keeps its side when the order is swapped", found.orders.consistency),
        ("offset of the place shown first", found.orders.offset),
        ("the longer answer wins, by the judge", found.length.judge_longer),
        ("the longer answer wins, by people", found.length.people_longer),
        ("Cohen's kappa with people", found.agreement.kappa),
        ("Krippendorff's alpha, people and judge", found.agreement.alpha),
        *((f"calibration error {when}", fit.ece) for when, fit in calibration.fits),
        *((f"fooled by {attack.name}", attack.fooled) for attack in found.attacks),
    ]
    measured = [
        (name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}", f"{one.n:,}")
        for name, one in rows
        if one is not None
    ]
    data = judge.data
    labels = (
        f"Measured on {data.pairs:,} labelled pairs under the constitution {judge.constitution.name} "
        f"{judge.constitution.version}. `p_chosen` is calibrated by: {calibration.kind}; `p_raw` is what the judge said."
    )
    table = _table("The judge", ("measure", "value", "95 % interval", "n"), measured)
    notes = "\n".join(f"- {_inert(warning)}" for warning in judge.gate.warnings)
    return "\n\n".join(part for part in (table or "## The judge", _inert(verdict), labels, notes) if part)


def _inert(text: str) -> str:
    """A line that quotes answers: no HTML, and no line of its own."""
    return " ".join(text.replace("<", "&lt;").split())


def _metadata(tally: Tally, counts: Mapping[str, Mapping[str, int]], signature: str) -> dict[str, Any]:
    # The description names the content: `datasets` caches a local folder by its name and this metadata alone.
    configs: list[dict[str, Any]] = [
        {
            "config_name": subset,
            "description": f"content {signature}",
            "data_files": [{"split": split, "path": f"{subset}/{split}-*.parquet"} for split in counts[subset]],
        }
        for subset in SUBSETS
    ]
    configs[0]["default"] = True
    return {
        "pretty_name": "Constitutional preferences",
        "tags": ["preference", "dpo", "rlaif", "constitutional-ai", "synthetic"],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for size, name in SIZES if tally.pairs < size), "n>1M")],
        "configs": configs,
    }


def _numbers(tally: Tally) -> list[tuple[str, str]]:
    rows = [
        ("prompts", f"{tally.prompts:,}"),
        ("responses sampled", f"{tally.responses:,}"),
        ("revisions", f"{tally.revised:,}"),
        ("pairs", f"{tally.pairs:,}"),
        ("pairs with a conflict between tiers", f"{tally.conflicts:,}"),
    ]
    if tally.pairs:
        rows += [
            ("mean p_chosen", f"{tally.p_chosen / tally.pairs:.3f}"),
            ("mean margin", f"{tally.margin / tally.pairs:.3f}"),
            ("mean characters, chosen", f"{tally.chosen_characters / tally.pairs:.0f}"),
            ("mean characters, rejected", f"{tally.rejected_characters / tally.pairs:.0f}"),
            (
                "verdicts read from",
                ", ".join(f"{name or '–'} ({count:,})" for name, count in tally.methods.most_common()),
            ),
        ]
    if tally.judged:
        rows.append(
            (
                "verdicts that keep their side when the order is swapped",
                f"{tally.consistent / tally.judged:.1%}",
            )
        )
    return rows


def _subsets(counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, str]]:
    return [
        (
            f"`{subset}`",
            ", ".join(f"{split} {rows:,}" for split, rows in counts[subset].items()),
            MEANING[subset],
        )
        for subset in SUBSETS
    ]


def _violations(tally: Tally) -> list[tuple[str, int, int, str, int]]:
    return [
        (name, checked, tally.violated[name], f"{tally.violated[name] / checked:.1%}", tally.unread[name])
        for name, checked in sorted(tally.checked.items())
    ]


def _table(title: str, head: tuple[str, ...], rows: Any) -> str:
    lines = [" | ".join(str(cell).replace("|", "\\|") for cell in row) for row in rows]
    if not lines:
        return ""
    return "\n".join(
        [
            f"## {title}",
            "",
            f"| {' | '.join(head)} |",
            "|" + " --- |" * len(head),
            *(f"| {x} |" for x in lines),
        ]
    )


def _name(constitution: str) -> str:
    """A shipped name, or a file's name without its folder."""
    return constitution.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".yaml")
