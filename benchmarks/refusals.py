"""The refusal classifier against people: the annotated XSTest answers (Röttger et al., 2024), five models × 450 prompts.

    CONSTITUTIONAL_REFERENCE_DATA=FOLDER python -m benchmarks.refusals [--json] [--save]

Its signs and weights were set by looking at the answers to one half of the prompts; the other half is what counts here.
Beside it the graders that were published with the data: string matching, and GPT-4 asked for one of the three classes."""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import command_line, report, table
from constitutional.core.refusals import refusal
from constitutional.core.stats.intervals import bootstrap_ratio

REFERENCE = "CONSTITUTIONAL_REFERENCE_DATA"
MODELS = {
    "gpt4": "GPT-4", "llama2new": "Llama 2", "llama2orig": "Llama 2, safety prompt", "mistralguard": "Mistral, guarded",
    "mistralinstruct": "Mistral",
}  # fmt: skip
MEANING = {"1_full_compliance": "none", "2_full_refusal": "full", "3_partial_refusal": "partial"}


class Answer(NamedTuple):
    model: str
    prompt: str
    text: str
    label: str
    """By people: full, partial or none."""
    matched: str
    """By the published string matching: full or none."""
    graded: str
    """By GPT-4, where its reply named a class."""

    @property
    def held_out(self) -> bool:
        """By the prompt: all five answers to it are on one side."""
        return blake2b(self.prompt.encode(), digest_size=1).digest()[0] % 2 == 1


Grader = Callable[[Answer], str]
GRADERS: dict[str, Grader] = {
    "rules": lambda answer: refusal(answer.text),
    "string match": lambda answer: answer.matched,
    "GPT-4": lambda answer: answer.graded,
}


def answers(folder: Path) -> list[Answer]:
    found = []
    for model in MODELS:
        matched, graded = (_rows(folder, model, kind) for kind in ("streval", "gpteval"))
        for one, other in zip(matched, graded, strict=True):
            found.append(
                Answer(
                    model, one["prompt"], one["completion"], MEANING[one["final_label"]],
                    MEANING[one["strmatch_label"]], MEANING.get(other["gpt4_label"], "unreadable"),
                )
            )  # fmt: skip
    return found


def _rows(folder: Path, model: str, kind: str) -> list[dict[str, str]]:
    path = folder / "xstest" / "annotated" / f"xstest_v2_completions_{model}_{kind}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def refuses(kind: str) -> bool:
    """Wholly or in part: as the published accuracies count it."""
    return kind != "none"


def accuracy(rows: Iterable[Answer], grader: Grader) -> dict[str, Any]:
    """Of refuse or comply, with its interval over prompts, and of the three classes."""
    binary: dict[str, tuple[float, float]] = {}
    three = count = 0
    for row in rows:
        kind = grader(row)
        total, n = binary.get(row.prompt, (0.0, 0.0))
        binary[row.prompt] = (total + (refuses(kind) == refuses(row.label)), n + 1)
        three, count = three + (kind == row.label), count + 1
    found = bootstrap_ratio(list(binary.values()))
    assert found is not None
    return {"binary": list(found), "three": three / count, "n": count}


def measure(rows: Sequence[Answer]) -> dict[str, Any]:
    held_out = [row for row in rows if row.held_out]
    found: Counter[tuple[str, str]] = Counter((row.label, refusal(row.text)) for row in held_out)
    return {
        "held_out": {name: accuracy(held_out, grader) for name, grader in GRADERS.items()},
        "developed_on": accuracy([row for row in rows if not row.held_out], GRADERS["rules"]),
        "all": {name: accuracy(rows, grader) for name, grader in GRADERS.items()},
        "models": {
            model: {name: accuracy([row for row in held_out if row.model == model], GRADERS[name]) for name in GRADERS}
            for model in MODELS
        },
        "confusion": {label: {kind: found[label, kind] for kind in MEANING.values()} for label in MEANING.values()},
    }


def details(figures: dict[str, Any]) -> str:
    """Refuse or comply, and of the three classes in brackets."""

    def cell(found: dict[str, Any], three: bool = True) -> str:
        value, low, high = found["binary"]
        classes = f" ({found['three']:.1%})" if three else ""
        return f"{value:.1%} [{low:.1%}, {high:.1%}]{classes}"

    def row(title: str, found: dict[str, Any]) -> tuple[str, ...]:
        own = (cell(found[name], name != "string match") for name in GRADERS)
        return (title, str(found["rules"]["n"]), *own)

    rows = [row(f"held out: {MODELS[model]}", found) for model, found in figures["models"].items()]
    rows.append(row("**held out, all**", figures["held_out"]))
    rows.append(("developed on", str(figures["developed_on"]["n"]), cell(figures["developed_on"]), "", ""))
    rows.append(row("everything", figures["all"]))
    kinds = ("none", "partial", "full")
    confusion = [(label, *(str(figures["confusion"][label][kind]) for kind in kinds)) for label in kinds]
    return "\n\n".join((
        table(("answers", "n", "rules", "string match", "GPT-4"), rows),
        "Held out, what people say (rows) and what the rules say:",
        table(("", *kinds), confusion),
    ))  # fmt: skip


def summary(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    own, matched = (figures["held_out"][name] for name in ("rules", "string match"))
    what = "refusals told from answers as people do, on held-out prompts (published string matching there: {:.1%})"
    return [(what.format(matched["binary"][0]), f"{own['binary'][0]:.1%}", "81–94 %, by model, published")]


def main() -> None:
    parser = command_line("refusals", __doc__)
    options = parser.parse_args()
    folder = os.environ.get(REFERENCE)
    if not folder:
        sys.exit(f"set {REFERENCE} to the folder of the reference data")
    report(options, measure(answers(Path(folder))), details)


if __name__ == "__main__":
    main()
