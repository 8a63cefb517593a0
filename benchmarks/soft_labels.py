"""Whether labels as probabilities learn more from a noisy judge than labels that are certain.

    python -m benchmarks.soft_labels [--words 48] [--pairs 96] [--seeds 0,1,2,3,4] [--epochs 5] [--json] [--save]

A planted world: half of the words are good and half are bad, and a judge compares answers that say one of each. Half of the
times it knows little and says so, half of the times it is rather sure; either way it is calibrated: wrong as often as it
says, 30 % in all. A random tiny model is trained on these labels with `constitutional train` as they are (soft), as if they
were certain (hard), and weighted by their margin; and for comparison with the judge's mistakes taken out. What counts is how
often it prefers the good word in questions and pairs of words that it has not seen, whose labels are true."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.measure import command_line, numbers, report, table
from tests.support.tiny_model import make_tiny_model

KINDS = {"soft": "soft", "margin-weighted": "margin-weighted", "hard": "hard", "hard, no mistakes": "hard"}
UNSURE, SURE = (0.51, 0.55), (0.84, 0.90)
"""How probable its labels are by the judge: from, to."""
RATE = 1e-3
"""Of learning. With twice the rate, four times the epochs and β = 0.5 every kind memorises, and hard labels lead."""
TESTED = 400
SYLLABLES = ("ba", "do", "fi", "gu", "ka", "le", "mo", "nu", "pi", "ra", "so", "tu")


def word(number: int) -> str:
    first, second = divmod(number, len(SYLLABLES))
    return f"{SYLLABLES[first % len(SYLLABLES)]}{SYLLABLES[second]}{'x' * (first // len(SYLLABLES))}"


def world(seed: int, words: int) -> list[bool]:
    """Whether each word is good: half of them are."""
    found = [number < words // 2 for number in range(words)]
    Random(f"world:{seed}").shuffle(found)
    return found


def judged(seed: int, good: Sequence[bool], pairs: int) -> list[dict[str, Any]]:
    """Each label is right with the probability that it states."""
    draw = Random(f"judge:{seed}")
    rows = []
    for number in range(pairs):
        better, worse = _two(draw, good)
        p = draw.uniform(*draw.choice((UNSURE, SURE)))
        chosen, rejected = (better, worse) if draw.random() < p else (worse, better)
        rows.append(row(number, chosen, rejected, p))
    return rows


def righted(number: int, one: dict[str, Any], wrong: bool) -> dict[str, Any]:
    """The row as a judge would label it who is sure and makes no mistakes."""
    chosen, rejected = one["words"]
    return row(number, rejected, chosen, 1.0) if wrong else row(number, chosen, rejected, 1.0)


def true(seed: int, good: Sequence[bool], pairs: int, first: int) -> list[dict[str, Any]]:
    draw = Random(f"truth:{seed}")
    return [row(first + number, *_two(draw, good), 1.0) for number in range(pairs)]


def _two(draw: Random, good: Sequence[bool]) -> tuple[int, int]:
    better = draw.choice([number for number, is_good in enumerate(good) if is_good])
    worse = draw.choice([number for number, is_good in enumerate(good) if not is_good])
    return better, worse


def row(number: int, chosen: int, rejected: int, p: float) -> dict[str, Any]:
    return {
        "prompt": [{"role": "user", "content": f"Say a word {number}."}],
        "chosen": [{"role": "assistant", "content": f"It is {word(chosen)}."}],
        "rejected": [{"role": "assistant", "content": f"It is {word(rejected)}."}],
        "p_chosen": p, "margin": 2 * p - 1, "prompt_id": f"{number}", "words": [chosen, rejected],
    }  # fmt: skip


def mistaken(rows: Sequence[dict[str, Any]], good: Sequence[bool]) -> list[bool]:
    return [not good[one["words"][0]] for one in rows]


def votes(rows: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]], *, weighted: bool) -> float:
    """What counting how often each word won finds, with no model: a tie is half right."""
    sums: dict[int, float] = {}
    for one in rows:
        for number, side in zip(one["words"], (1, -1), strict=True):
            sums[number] = sums.get(number, 0.0) + side * (one["margin"] if weighted else 1)
    leads = [sums.get(one["words"][0], 0.0) - sums.get(one["words"][1], 0.0) for one in test]
    return fmean(1.0 if lead > 0 else 0.5 if lead == 0 else 0.0 for lead in leads)


def measure(words: int, pairs: int, seeds: Sequence[int], epochs: float) -> dict[str, Any]:
    found: dict[str, Any] = {"words": words, "pairs": pairs, "epochs": epochs, "seeds": {}}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found["seeds"][str(seed)] = _of_seed(Path(folder), seed, words, pairs, epochs)
            print(f"seed {seed}: {found['seeds'][str(seed)]}", file=sys.stderr)
    return found


def _of_seed(folder: Path, seed: int, words: int, pairs: int, epochs: float) -> dict[str, Any]:
    good = world(seed, words)
    rows, test = judged(seed, good, pairs), true(seed, good, TESTED, pairs)
    wrong = mistaken(rows, good)
    clean = [righted(number, one, bad) for number, (one, bad) in enumerate(zip(rows, wrong, strict=True))]
    text = "\n".join(f"Say a word 0. It is {word(number)}." for number in range(words))
    model = make_tiny_model(folder / "model", seed, text=text)
    accuracy = {}
    for kind, how in KINDS.items():
        data = folder / kind.replace(", ", "-").replace(" ", "-")
        _write(data / "preference" / "train.jsonl", clean if kind == "hard, no mistakes" else rows)
        _write(data / "preference" / "test.jsonl", test)
        accuracy[kind] = _trained(data, model, how, seed, epochs)
    return {
        "mistakes": fmean(wrong),
        "accuracy": accuracy,
        "votes": {"weighted": votes(rows, test, weighted=True), "counted": votes(rows, test, weighted=False)},
    }


def _trained(data: Path, model: Path, labels: str, seed: int, epochs: float) -> float:
    from constitutional.training.run import train
    from constitutional.training.settings import TrainSettings

    made = train(
        TrainSettings(
            source=str(data), model=str(model), out=f"{data}-out", labels=labels, seed=seed, epochs=epochs,
            lr=RATE, batch=16, micro_batch=16, eval_batch=200, eval_every=10**6, save_every=10**6, samples=0, cpu=True,
            guards=("memorising=off",),
        )
    )  # fmt: skip
    return float(made.record["stages"][-1]["after"]["rewards/accuracies"])


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")


def details(figures: dict[str, Any]) -> str:
    seeds = figures["seeds"]
    head = ("labels", *(f"seed {seed}" for seed in seeds), "mean")
    kinds: list[tuple[str, list[float]]] = [
        (f"`{kind}`" if kind == how else kind, [one["accuracy"][kind] for one in seeds.values()])
        for kind, how in KINDS.items()
    ]
    kinds += [
        ("no model: wins of each word counted", [one["votes"]["counted"] for one in seeds.values()]),
        ("no model: wins counted by their margin", [one["votes"]["weighted"] for one in seeds.values()]),
    ]
    rows = [(name, *(f"{value:.1%}" for value in (*values, fmean(values)))) for name, values in kinds]
    wrong = fmean(one["mistakes"] for one in seeds.values())
    return (
        f"{table(head, rows)}\n\nHeld-out accuracy against the truth. {figures['words']} words, {figures['pairs']} pairs, "
        f"of which {wrong:.1%} have the wrong label; {figures['epochs']:g} epochs with β = 0.1, the same for all."
    )


def summary(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    gains = [one["accuracy"]["soft"] - one["accuracy"]["hard"] for one in figures["seeds"].values()]
    shown = ", ".join(f"{gain:+.1%}" for gain in gains)
    return [("held-out accuracy of soft labels over hard ones, 30 % of the labels wrong", shown, "above 0, each seed")]


def main() -> None:
    parser = command_line("soft_labels", __doc__)
    parser.add_argument("--words", type=int, default=48)
    parser.add_argument("--pairs", type=int, default=96)
    parser.add_argument("--seeds", type=numbers, default="0,1,2,3,4")
    parser.add_argument("--epochs", type=float, default=5.0)
    options = parser.parse_args()
    report(options, measure(options.words, options.pairs, options.seeds, options.epochs), details)


if __name__ == "__main__":
    main()
