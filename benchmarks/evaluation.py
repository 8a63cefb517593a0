"""What an evaluation's statistics promise, over many simulated evaluations.

    python -m benchmarks.evaluation [--simulations 2000] [--json] [--save]

- coverage: a judge that prefers the tuned model with a planted probability; how often the 95 % interval of the win rate
  holds it.
- nothing: two models that do not differ in anything; how often any measure is called an improvement, and how often any is
  called a difference.
- something: a violation rate that fell from 0.3; how often that is found.
- length: a judge that looks at length alone; how often the length-controlled win rate is called an improvement."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, tanh
from random import Random
from typing import Any

from benchmarks.measure import command_line, report, table
from constitutional.core.stats.intervals import Interval, bootstrap_mean, wilson
from constitutional.core.stats.length_control import length_controlled
from constitutional.core.stats.paired import sign_flip
from constitutional.evaluation.compare import CONTROLLED, LEVEL, Difference, judged

PROMPTS = 200
PLANTED = (0.5, 0.6, 0.75, 0.9)
TIES = 0.2
FALLS = (0.25, 0.2, 0.15, 0.1)
SHARES = ("win_rate", "violation_rate", "over_refusal", "refusal_harmful", "empty", "unreadable")
NUMBERS = ("length", "distinct_1", "distinct_2", "repetition", "score:rules")
PARTS = tuple(f"violation_rate/tag:{number}" for number in range(12))
RESAMPLES, FLIPS = 1000, 2000


def coverage(simulations: int, chance: Random) -> dict[str, Any]:
    """Of comparisons of which a fifth are ties: the true win rate is planted, ties counting half."""
    found = {}
    for planted in PLANTED:
        wins, covered = planted - TIES / 2, 0
        for simulation in range(simulations):
            values = chance.choices((1.0, 0.5, 0.0), (wins, TIES, 1 - wins - TIES), k=PROMPTS)
            interval = bootstrap_mean(values, resamples=RESAMPLES, seed=simulation)
            assert interval is not None
            covered += interval.low <= planted <= interval.high
        found[str(planted)] = _share(covered, simulations)
    return found


def nothing(simulations: int, chance: Random) -> dict[str, Any]:
    """All measures of two models that are one and the same, with other dice."""
    improved = different = 0
    for _ in range(simulations):
        found = [_share_measure(name, 0.3, 0.3, chance) for name in (*SHARES, *PARTS)]
        found += [_tested(name, [chance.gauss(0, 1) - chance.gauss(0, 1) for _ in range(PROMPTS)]) for name in NUMBERS]
        verdicts = {one.verdict for one in judged(found)}
        improved += "improved" in verdicts
        different += verdicts != {"indistinguishable"}
    return {"improved": _share(improved, simulations), "different": _share(different, simulations)}


def something(simulations: int, chance: Random) -> dict[str, Any]:
    found = {}
    for after in FALLS:
        seen = 0
        for _ in range(simulations):
            others = [_share_measure(name, 0.3, 0.3, chance) for name in SHARES[2:]]
            first, *_ = judged([_share_measure("violation_rate", after, 0.3, chance), *others])
            seen += first.verdict == "improved"
        found[str(after)] = _share(seen, simulations)
    return found


def length(simulations: int, chance: Random) -> dict[str, Any]:
    """The tuned model's answers are 20 words longer on average; the judge takes the longer one, mostly."""
    raw = controlled = 0
    for _ in range(simulations):
        games = []
        for _ in range(PROMPTS):
            longer = chance.gauss(20, 30)
            games.append([(float(chance.random() < 1 / (1 + exp(-2 * tanh(longer / 36)))), longer)])
        raw += sign_flip([won - 0.5 for ((won, _),) in games]) < LEVEL
        fitted = length_controlled(games, resamples=1)
        assert fitted is not None
        controlled += fitted.p_value < LEVEL
    return {"win_rate": _share(raw, simulations), CONTROLLED: _share(controlled, simulations)}


def _share_measure(name: str, after: float, before: float, chance: Random) -> Difference:
    return _tested(name, [float(chance.random() < after) - (chance.random() < before) for _ in range(PROMPTS)])


def _tested(name: str, differences: Sequence[float]) -> Difference:
    """The ends of its interval decide nothing and are left out."""
    mean = sum(differences) / len(differences)
    return Difference("tuned", "base", name, Interval(mean, mean, mean), sign_flip(differences, flips=FLIPS), PROMPTS)


def _share(count: int, n: int) -> list[float]:
    return list(wilson(count, n) or ())


def measure(simulations: int) -> dict[str, Any]:
    few = max(100, simulations // 4)
    return {
        "simulations": simulations,
        "few": few,
        "coverage": coverage(simulations, Random(1)),
        "nothing": nothing(simulations, Random(2)),
        "something": something(few, Random(3)),
        "length": length(few, Random(4)),
    }


def details(figures: dict[str, Any]) -> str:
    def shown(found: Sequence[float]) -> str:
        return "{:.1%} [{:.1%}, {:.1%}]".format(*found)

    many, few = f"{figures['simulations']:,}", f"{figures['few']:,}"
    null, lengths = figures["nothing"], figures["length"]
    rows = [
        (f"a win rate of {planted} lies in its 95 % interval", "≥ 93 %", many, shown(found))
        for planted, found in figures["coverage"].items()
    ]
    rows += [
        ("nothing differs: something is called an improvement", "≤ 5 %", many, shown(null["improved"])),
        ("nothing differs: something is called a difference", "≤ 10 %", many, shown(null["different"])),
    ]
    rows += [
        (f"violations fall from 0.3 to {after}: it is found", "", few, shown(found))
        for after, found in figures["something"].items()
    ]
    rows += [
        ("a judge of length alone: the raw win rate is called a win", "", few, shown(lengths["win_rate"])),
        (
            "a judge of length alone: the length-controlled one is, either way, uncorrected",
            "5 %",
            few,
            shown(lengths[CONTROLLED]),
        ),
    ]
    measures, parts = len(SHARES) + len(NUMBERS), len(PARTS)
    head = f"{PROMPTS} prompts each; {measures} measures and {parts} parts of them where nothing differs."
    return f"{head}\n\n{table(('what', 'bar', 'simulations', 'how often'), rows)}"


def summary(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    covered, improved = figures["coverage"]["0.6"][0], figures["nothing"]["improved"][0]
    return [
        ("evaluation: a planted win rate of 0.6 lies in its 95 % interval", f"{covered:.1%}", "≥ 93 %"),
        ("evaluation: an improvement is claimed where nothing differs", f"{improved:.1%}", "≤ 5 %"),
    ]


def main() -> None:
    parser = command_line("evaluation", __doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    options = parser.parse_args()
    report(options, measure(options.simulations), details)


if __name__ == "__main__":
    main()
