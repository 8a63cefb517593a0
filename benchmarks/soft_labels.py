"""Whether labels as probabilities learn more from a noisy judge than labels that are certain.

    python -m benchmarks.soft_labels [--things 96] [--labels 5] [--seeds 0,1,2] [--epochs 20] [--json] [--save]

A planted world: each of many things is either red or blue, and a judge says which a few times. Half of the times it knows
little and says so, half of the times it is rather sure; either way it is calibrated: wrong as often as it says, 30 % in
all. A random tiny model is trained on these labels with `constitutional train` as they are (soft), as if they were certain
(hard), and weighted by their margin; and for comparison with the judge's mistakes taken out. What counts is how often it
prefers the true colour in questions that it has not seen, whose labels are true."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from benchmarks.measure import report, table
from tests.support.tiny_model import make_tiny_model

COLOURS = ("red", "blue")
KINDS = {"soft": "soft", "margin-weighted": "margin-weighted", "hard": "hard", "hard, no mistakes": "hard"}
UNSEEN = 9
"""The number of the question that is asked of every thing in the test, and never in training."""
UNSURE, SURE = (0.51, 0.55), (0.84, 0.90)
"""How probable its labels are by the judge: from, to."""
BETA = 0.5
"""So that what a label of 0.87 asks for, log(0.87 / 0.13) / β, is a few nats."""
SYLLABLES = ("ba", "do", "fi", "gu", "ka", "le", "mo", "nu", "pi", "ra", "so", "tu")


def name_of(thing: int) -> str:
    first, second = divmod(thing, len(SYLLABLES))
    return f"{SYLLABLES[first % len(SYLLABLES)]}{SYLLABLES[second]}{'x' * (first // len(SYLLABLES))}"


def world(seed: int, things: int) -> list[int]:
    """The colour of each thing."""
    draw = Random(f"world:{seed}")
    return [draw.randrange(2) for _ in range(things)]


def row(thing: int, question: int, colour: int, p: float) -> dict[str, Any]:
    chosen, rejected = (f"It is {COLOURS[side]}." for side in (colour, 1 - colour))
    return {
        "prompt": [{"role": "user", "content": f"What is {name_of(thing)} {question}?"}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "p_chosen": p, "margin": 2 * p - 1, "prompt_id": f"{thing}-{question}",
    }  # fmt: skip


def judged(seed: int, truth: Sequence[int], labels: int) -> list[dict[str, Any]]:
    """Each label is right with the probability that it states."""
    draw = Random(f"judge:{seed}")
    rows = []
    for thing, colour in enumerate(truth):
        for question in range(labels):
            p = draw.uniform(*draw.choice((UNSURE, SURE)))
            rows.append(row(thing, question, colour if draw.random() < p else 1 - colour, p))
    return rows


def mistaken(rows: Sequence[dict[str, Any]], truth: Sequence[int]) -> list[bool]:
    return [_colour(one) != truth[_thing(one)] for one in rows]


def votes(rows: Sequence[dict[str, Any]], truth: Sequence[int], *, weighted: bool) -> float:
    """What counting the labels of each thing finds, with no model: a tie is half right."""
    sums = [0.0] * len(truth)
    for one in rows:
        side = 1 if _colour(one) == truth[_thing(one)] else -1
        sums[_thing(one)] += side * (one["margin"] if weighted else 1)
    return fmean(1.0 if total > 0 else 0.5 if total == 0 else 0.0 for total in sums)


def _thing(one: dict[str, Any]) -> int:
    return int(one["prompt_id"].split("-")[0])


def _colour(one: dict[str, Any]) -> int:
    return next(at for at, name in enumerate(COLOURS) if name in one["chosen"][0]["content"])


def measure(things: int, labels: int, seeds: Sequence[int], epochs: float) -> dict[str, Any]:
    found: dict[str, Any] = {"things": things, "labels": labels, "epochs": epochs, "seeds": {}}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found["seeds"][str(seed)] = _of_seed(Path(folder), seed, things, labels, epochs)
            print(f"seed {seed}: {found['seeds'][str(seed)]['accuracy']}", file=sys.stderr)
    return found


def _of_seed(folder: Path, seed: int, things: int, labels: int, epochs: float) -> dict[str, Any]:
    truth = world(seed, things)
    rows = judged(seed, truth, labels)
    wrong = mistaken(rows, truth)
    clean = [row(_thing(one), number % labels, truth[_thing(one)], 1.0) for number, one in enumerate(rows)]
    words = "\n".join([f"What is {name_of(thing)} 0? It is red. It is blue." for thing in range(things)])
    model = make_tiny_model(folder / "model", seed, text=words)
    accuracy = {}
    for kind, how in KINDS.items():
        data = folder / kind.replace(", ", "-").replace(" ", "-")
        _write(data / "preference" / "train.jsonl", clean if kind == "hard, no mistakes" else rows)
        _write(data / "preference" / "test.jsonl", [row(at, UNSEEN, colour, 1.0) for at, colour in enumerate(truth)])
        accuracy[kind] = _trained(data, model, how, seed, epochs)
    return {
        "mistakes": fmean(wrong),
        "accuracy": accuracy,
        "votes": {"weighted": votes(rows, truth, weighted=True), "counted": votes(rows, truth, weighted=False)},
    }


def _trained(data: Path, model: Path, labels: str, seed: int, epochs: float) -> float:
    from constitutional.training.run import train
    from constitutional.training.settings import TrainSettings

    made = train(
        TrainSettings(
            source=str(data), model=str(model), out=f"{data}-out", labels=labels, beta=BETA, seed=seed, epochs=epochs,
            lr=2e-3, batch=32, micro_batch=32, eval_batch=200, eval_every=10**6, save_every=10**6, samples=0, cpu=True,
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
        ("no model: labels counted", [one["votes"]["counted"] for one in seeds.values()]),
        ("no model: labels counted by their margin", [one["votes"]["weighted"] for one in seeds.values()]),
    ]
    rows = [(name, *(f"{value:.1%}" for value in (*values, fmean(values)))) for name, values in kinds]
    wrong = fmean(one["mistakes"] for one in seeds.values())
    return (
        f"{table(head, rows)}\n\nHeld-out accuracy against the truth. {figures['things']} things with {figures['labels']} "
        f"labels each, of which {wrong:.1%} are wrong; {figures['epochs']:g} epochs, the same for all."
    )


def summary(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    gains = [one["accuracy"]["soft"] - one["accuracy"]["hard"] for one in figures["seeds"].values()]
    shown = ", ".join(f"{gain:+.1%}" for gain in gains)
    return [("held-out accuracy of soft labels over hard ones, 30 % of the labels wrong", shown, "above 0, each seed")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--things", type=int, default=96)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    figures = measure(asked.things, asked.labels, [int(seed) for seed in asked.seeds.split(",")], asked.epochs)
    report("soft_labels", figures, asked.json, asked.save)
    if not asked.json:
        print(details(figures))


if __name__ == "__main__":
    main()
