"""Strategies tried on what a run holds: what each would make of every prompt, and the calls that it would still need."""

from __future__ import annotations

import asyncio
import functools
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import yaml

from constitutional.config.run import PluginConfig, RunConfig
from constitutional.core.codec import from_json, to_json
from constitutional.core.constitution import Constitution
from constitutional.core.records import Reason, Reject, Trace
from constitutional.errors import UsageError
from constitutional.ledger import LedgerView, without
from constitutional.pipeline.run_filters import sift
from constitutional.pipeline.setup import Assembly
from constitutional.pipeline.strategies.replay import Replay, Replayed
from constitutional.pipeline.trace import answered_part
from constitutional.plugins import PluginHost

OPTION = re.compile(r"(?P<name>\w+)=(?P<value>.*)")
Placed = tuple[int, Trace]
"""Where in the prompts it was, and what was made of it."""


def strategy_of(text: str) -> PluginConfig:
    """``NAME`` or ``NAME:option=value:option=value``."""
    name, *options = text.strip().split(":")
    found: dict[str, Any] = {}
    for option in options:
        match = OPTION.fullmatch(option)
        if match is None:
            raise UsageError(f"{text}: {option!r} is no option: write {name}:name=value")
        try:
            found[match["name"]] = yaml.safe_load(match["value"])
        except yaml.YAMLError as error:
            raise UsageError(f"{text}: {option!r}: the value cannot be read") from error
    return PluginConfig(plugin=name, options=found)


class Kept:
    """Traces on disk, to be read as often as somebody needs: memory does not grow with the run."""

    def __init__(self) -> None:
        # It lives as long as this object, and goes with it.
        self._file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n")  # noqa: SIM115

    def add(self, position: int, trace: Trace) -> None:
        self._file.write(f"{position} {to_json(trace)}\n")

    def __iter__(self) -> Iterator[Placed]:
        self._file.seek(0)
        for line in self._file:
            position, _, body = line.partition(" ")
            yield int(position), from_json(Trace, body)


@dataclass(slots=True)
class Tried:
    """One strategy over a whole run."""

    strategy: PluginConfig
    assembly: Assembly
    calls: int = 0
    """That it would still need, at most: what it asks next may depend on the answers."""
    prompts: int = 0
    """Of how many prompts."""
    kept: Kept | None = None
    """What it made of every prompt, before the filters of the whole run."""
    unused: Assembly | None = None
    """The same once more, whose filters have seen nothing, where the traces are kept to be written."""

    def take(self, before: Trace, replayed: Replayed) -> Trace:
        """What it makes of a prompt; with calls missing nothing, for a stated reason."""
        if not replayed.missing:
            return replayed.trace
        self.calls += replayed.missing
        self.prompts += 1
        said = f"{replayed.missing} calls of {self.strategy.plugin} are not in the ledger, at most"
        answered = answered_part(before)
        return replace(answered, rejects=(*answered.rejects, Reject(before.prompt.id, Reason.NOT_ASKED, said)))


def try_strategies(
    config: RunConfig,
    host: PluginHost,
    base: Path,
    constitution: Constitution,
    view: LedgerView,
    strategies: Sequence[PluginConfig],
    traces: Iterable[Placed],
    see: Callable[[int, Trace], None],
    *,
    keep: bool = False,
) -> list[Tried]:
    """``config`` is the run's, ``constitution`` the one it was made with, ``traces`` what it holds. ``see`` is given the
    number of a strategy and the trace that it makes, after the filters of the whole run. No model is asked."""
    replay = Replay(config, host, base, constitution, view, strategies)
    found = [
        Tried(
            strategy,
            assembly,
            kept=Kept() if keep or assembly.run_filters else None,
            unused=replay.assembled(strategy) if keep else None,
        )
        for strategy, assembly in zip(strategies, replay.assemblies, strict=True)
    ]
    asyncio.run(_try(replay, found, traces, see))
    for number, one in enumerate(found):
        if one.assembly.run_filters and one.kept is not None:
            for trace, drops in sift(functools.partial(_traces, one.kept), one.assembly.run_filters):
                see(number, without(trace, drops))
    return found


async def _try(replay: Replay, found: list[Tried], traces: Iterable[Placed], see: Callable[[int, Trace], None]) -> None:
    for position, trace in traces:
        for number, (one, replayed) in enumerate(zip(found, await replay.again(trace), strict=True)):
            made = one.take(trace, replayed)
            if one.kept is not None:
                one.kept.add(position, made)
            if not one.assembly.run_filters:
                see(number, made)


def _traces(kept: Kept) -> Iterator[Trace]:
    return (trace for _, trace in kept)
