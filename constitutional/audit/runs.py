"""The comparisons of a run as pairs that people can label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from constitutional.audit.pairs import Labelled
from constitutional.core.digest import pair_id
from constitutional.core.records import Trace


def pairs_of(trace: Trace) -> Iterator[Labelled]:
    """Every two different answers that were compared, with no votes yet."""
    responses = {response.id: response for response in trace.responses}
    seen = set()
    for ruling in trace.rulings:
        a, b = responses[ruling.a], responses[ruling.b]
        name = pair_id(trace.prompt.messages, a.text, b.text)
        if a.text != b.text and name not in seen:
            seen.add(name)
            yield Labelled(name, trace.prompt, a, b, {}, source=trace.prompt.source)


def human_labels(pairs: Iterable[Labelled]) -> dict[str, float]:
    """Pair id → the share of people who prefer the text that sorts first: the same however the pair was shown."""
    return {
        pair.id: pair.share if pair.a.text <= pair.b.text else 1 - pair.share
        for pair in pairs
        if pair.principle is None
    }
