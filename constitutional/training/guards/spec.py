"""Which guards there are, and what a training does when one fires: ``--guard NAME=warn|stop|off``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from constitutional.errors import ConfigError, UnknownNameError

ACTIONS = ("warn", "stop", "off")


@dataclass(frozen=True, slots=True)
class GuardSpec:
    """``threshold`` is None for a guard that needs none."""

    name: str
    action: str
    threshold: float | None
    about: str
    """What it compares with its threshold."""

    @property
    def on(self) -> bool:
        return self.action != "off"

    @property
    def stops(self) -> bool:
        return self.action == "stop"


GUARDS: Mapping[str, GuardSpec] = {
    spec.name: spec
    for spec in (
        GuardSpec("kl", "stop", 20.0, "KL divergence from the reference, in nats per answer"),
        GuardSpec("memorising", "warn", 0.95, "preference accuracy on training rows, while the held-out one falls"),
        GuardSpec("sinking", "warn", 0.25, "nats per token by which chosen and rejected have both sunk"),
        GuardSpec("margin", "warn", 0.5, "share of its best that the held-out reward margin has lost"),
        GuardSpec("nan", "stop", None, "losses and gradients that are no numbers; such a step is not taken"),
        GuardSpec("spike", "warn", 10.0, "gradient norm over its median so far"),
        GuardSpec("length", "warn", 2.0, "factor by which samples have grown or shrunk since the first"),
        GuardSpec("repetition", "warn", 0.2, "rise of the share of their four-token phrases that samples repeat"),
    )
}


def specs(given: Iterable[str]) -> dict[str, GuardSpec]:
    """Every guard, as ``NAME=ACTION`` or ``NAME=ACTION:THRESHOLD`` have changed it."""
    found = dict(GUARDS)
    for text in given:
        name, equals, rest = (part.strip() for part in text.partition("="))
        action, colon, threshold = rest.partition(":")
        if name not in found:
            raise UnknownNameError.among("guard", name, found)
        if not equals or action not in ACTIONS:
            raise ConfigError(f"--guard {text}: expected NAME=warn, NAME=stop or NAME=off, as in kl=stop:15")
        found[name] = replace(found[name], action=action)
        if colon:
            found[name] = replace(found[name], threshold=_threshold(text, found[name], threshold))
    return found


def _threshold(text: str, spec: GuardSpec, given: str) -> float:
    if spec.threshold is None:
        raise ConfigError(f"--guard {text}: {spec.name} has no threshold")
    try:
        value = float(given)
    except ValueError as error:
        raise ConfigError(f"--guard {text}: {given!r} is no number") from error
    if not (isfinite(value) and value > 0):
        raise ConfigError(f"--guard {text}: a threshold is above 0")
    return value
