"""Everything that `constitutional iterate` can be told. Plain data, checked before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

from constitutional.config.constitution import constitution_digest
from constitutional.config.run import RunConfig
from constitutional.core.digest import digest
from constitutional.errors import ConfigError, UnknownNameError, UsageError
from constitutional.evaluation.measures import KINDS, SCORE, about
from constitutional.pipeline.constitution import read_constitution
from constitutional.plugins import PluginHost
from constitutional.training.settings import CERTAIN, TrainSettings

REFERENCES = ("previous", "first")
TRAINED_HERE = ("transformers", "vllm")
"""Providers whose models are folders or Hub names that can be trained."""


class Mix(NamedTuple):
    """What a round is trained on: shares of its own pairs, of the first round's, and of those in between."""

    new: float = 0.5
    first: float = 0.3
    earlier: float = 0.2

    @classmethod
    def parse(cls, text: str) -> Mix:
        """From ``50,30,20`` or ``0.5,0.3,0.2``."""
        try:
            parts = [float(part) for part in text.split(",")]
        except ValueError:
            parts = []
        total = sum(parts)
        whole = isclose(total, 1, abs_tol=1e-6) or isclose(total, 100, abs_tol=1e-6)
        if len(parts) != 3 or not whole or min(parts) < 0 or parts[0] == 0:
            raise ConfigError(
                f"--mix {text}: expected three shares of new pairs, the first round's and earlier ones, as in 50,30,20; "
                "they sum to 100, and the first is above 0"
            )
        return cls(*(part / total for part in parts))


class Ratio(NamedTuple):
    """Between which limits the share of the prompts lies that a round answers anew."""

    low: float = 1.0
    high: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Ratio:
        """From ``0.25-1``, or one number for both."""
        low, _, high = text.partition("-")
        try:
            found = cls(float(low), float(high or low))
        except ValueError:
            found = cls(0, 0)
        if not 0 < found.low <= found.high <= 1:
            raise ConfigError(f"--online-ratio {text}: expected a share above 0 and up to 1, or two, as in 0.25-1")
        return found


HALF_NEW, ALL_NEW = Mix(), Ratio()


@dataclass(frozen=True, slots=True, kw_only=True)
class IterateSettings:
    run: RunConfig
    """Its policy answers in the first round; its other roles keep the models that they begin with."""
    base: Path
    """Where the run file's paths start."""
    out: Path
    rounds: int
    train: TrainSettings
    """How each round trains; its source, model and out are the round's."""
    model: str
    """What is trained first: a model folder or a Hub id."""
    reference: str = "previous"
    mix: Mix = HALF_NEW
    ratio: Ratio = ALL_NEW
    held_out: str | None = None
    """A file of prompts that are never trained on; None: a share of the run's prompts."""
    held_out_share: float = 0.2
    measure: str = "violation_rate"
    least: float = 0.01
    """A round that improves the measure by less is the last."""

    def check(self) -> IterateSettings:
        """Itself, or a message about what cannot be meant."""
        if self.rounds < 1:
            raise ConfigError("--rounds: at least 1")
        if self.reference not in REFERENCES:
            raise UnknownNameError.among("reference", self.reference, REFERENCES)
        if self.reference == "first" and self.train.loss in CERTAIN:
            raise ConfigError(
                f"--reference first: --loss {self.train.loss} has no other reference than the model itself"
            )
        if self.train.sweep:
            raise ConfigError("--beta sweep: find a beta with `constitutional train` first, and give it here")
        if not 0 < self.held_out_share < 1:
            raise ConfigError("--held-out-share: a share of the prompts, above 0 and below 1")
        if self.least < 0:
            raise ConfigError("--least: an improvement, at least 0")
        if self.measure.partition("/")[0] not in KINDS and not self.measure.startswith(SCORE):
            raise UnknownNameError.among("measure", self.measure, KINDS)
        if about(self.measure).better is None:
            raise ConfigError(f"--measure {self.measure}: neither more nor less of it is better")
        if self.run.prompts in (None, "-"):
            raise UsageError("no prompts: give `prompts:` in the run file; each round reads them again")
        self.train.check()
        return self

    @property
    def better(self) -> str:
        """``higher`` or ``lower``."""
        return about(self.measure).better or "higher"

    def plan(self) -> dict[str, Any]:
        """What decides the result, as JSON. More rounds are more of the same."""
        run = self.run.model_dump(mode="json", exclude={"out", "concurrency", "max_calls", "max_cost", "prompts"})
        constitution = read_constitution(self.run.constitution, self.base, PluginHost())
        return {
            "run": digest([run, constitution_digest(constitution)]),
            "train": self.train.but(source="", model="", out="").plan(),
            "model": self.model,
            "reference": self.reference,
            "mix": list(self.mix),
            "online_ratio": list(self.ratio),
            "measure": self.measure,
            "least": self.least,
        }


def first_model(run: RunConfig, base: Path, given: str | None) -> str:
    """What is trained first: the run's policy, where that is a model that can be trained."""
    if "policy" not in run.models:
        raise UsageError("the run file names no `models.policy`: whose answers are to become better?")
    provider, _, name = run.models["policy"].name.partition(":")
    if given is not None:
        return given
    if provider == "pocket":
        return run.models["policy"].name
    if provider not in TRAINED_HERE:
        raise UsageError(
            f"{provider}:{name} answers, and cannot be trained here: make the policy a transformers: or vllm: model, or "
            "name with --model the folder or Hub id whose weights it has"
        )
    return str((base / name).resolve()) if (base / name).is_dir() else name
