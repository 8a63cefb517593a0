"""Is one better than the other, on the same items: tests of paired differences, and what many such tests together say."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from random import Random

from constitutional.core.stats.intervals import sign_test

FLIPS = 10_000
EXACT = 14
"""So many differences are flipped in every way there is; more are flipped at random."""
_ROUNDING = 1e-9
_BITS = 8


def sign_flip(differences: Sequence[float], *, flips: int = FLIPS) -> float:
    """The two-sided p of so large a mean difference if each were as likely to have the other sign. No difference is no
    evidence: 1. Where all differences are of one size (one of two is right, wins and losses) it is the exact sign test,
    which is McNemar's."""
    moved = [d for d in differences if d]
    if not moved:
        return 1.0
    sizes = {abs(d) for d in moved}
    if len(sizes) == 1:
        return sign_test(sum(d > 0 for d in moved), sum(d < 0 for d in moved))
    reached = abs(fsum(moved)) - _ROUNDING * fsum(map(abs, moved))
    if len(moved) <= EXACT:
        sums = _every_sum(moved)
        return sum(abs(total) >= reached for total in sums) / len(sums)
    tables = [_every_sum(moved[start : start + _BITS]) for start in range(0, len(moved), _BITS)]
    chance, beyond = Random(0), 0
    for _ in range(flips):
        drawn = chance.randbytes(len(tables))
        beyond += abs(sum(table[byte % len(table)] for table, byte in zip(tables, drawn, strict=True))) >= reached
    return (beyond + 1) / (flips + 1)


def holm(ps: Sequence[float]) -> list[float]:
    """Each p as it counts when so many are looked at: where those up to 0.05 are called differences, the chance that any
    of them is none is at most 0.05."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    found, highest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        found[place] = highest
    return found


def _every_sum(differences: Sequence[float]) -> list[float]:
    """Of all ways to set the signs; a table of eight is looked up by a byte."""
    sums = [0.0]
    for d in differences:
        sums = [total + d for total in sums] + [total - d for total in sums]
    return sums
