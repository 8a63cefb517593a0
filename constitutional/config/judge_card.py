"""The judge card: what an audit found of one judge, and the edge through which a run reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from constitutional.core.digest import digest
from constitutional.core.stats.calibration import Calibrator, Kind
from constitutional.errors import ConfigError

LONGEST_SHOWN = 60


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Measured(_Strict):
    """A number, the interval that holds the true one in 95 of 100 samples, and of how many things it is."""

    value: float
    low: float
    high: float
    n: int


class JudgeIdentity(_Strict):
    """Everything that the judge's verdict on a pair depends on, besides the pair and the principle."""

    plugin: str
    version: str = ""
    options: dict[str, Any] = {}
    model: dict[str, Any] = {}
    """The identity of the model that it asks; nothing where the audit saw it ask none."""
    parts: list[Any] = []
    """Judges of single principles and members of a panel: where, plugin, version, options, and what they depend on."""
    depends: list[Any] = []
    templates: dict[str, str] = {}
    """Name → digest."""

    @property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


class ConstitutionIdentity(_Strict):
    name: str
    version: str
    digest: str


class Reading(_Strict):
    """How a label as it stood in the file was read."""

    label: str
    meaning: str
    count: int


class Data(_Strict):
    """What the judge was measured on."""

    files: list[str]
    pairs: int
    prompts: int
    ties: int
    unlabelled: int = 0
    identical: int = 0
    repeated: int = 0
    of_run: int = 0
    """Of these pairs, those that the audited run made."""
    annotators: list[str]
    readings: list[Reading]
    drawn_by: list[str] = []
    failed: int = 0
    failures: dict[str, int] = {}


class Accuracy(_Strict):
    """Against people, on the pairs that they do not call a tie."""

    overall: Measured | None = None
    """On those on which the judge took a side; an abstention or an exact ½ is none."""
    wilson: Measured | None = None
    coverage: Measured | None = None
    one_order: Measured | None = None
    consistent: Measured | None = None
    """Where both orders gave one side, and how many of all these are:"""
    consistent_coverage: Measured | None = None


class Orders(_Strict):
    """What the order of the two answers does."""

    consistency: Measured | None = None
    """Share of pairs with the same side in both orders."""
    first: Measured | None = None
    """Share of single readings that name the answer shown first; ½ is no bias."""
    offset: Measured | None = None
    """By how much the place shown first raises P; 0 is no bias."""
    log_odds: Measured | None = None
    """The same in log-odds; None for verdicts without probabilities."""


class Length(_Strict):
    """What the length of the answers does, in characters."""

    judge_longer: Measured | None = None
    people_longer: Measured | None = None
    """How often the longer answer wins by the judge, and by people: the accuracy of the rule "the longer is better"."""
    people_shorter: Measured | None = None
    excess: Measured | None = None
    """How much more often the judge prefers the longer one than people do, on the same pairs."""
    over_longer: Measured | None = None
    """The judge's accuracy less that of "the longer is better", on the same pairs."""
    over_shorter: Measured | None = None
    wins: int = 0
    losses: int = 0
    p_value: float = 1.0
    """Pairs on which only the judge is right, or only "the longer is better"; the exact sign test of the two."""
    longer_right: Measured | None = None
    longer_wrong: Measured | None = None
    matched: Measured | None = None
    """Accuracy where the longer answer is the better, where it is the worse, and where they are about as long."""
    per_doubling: Measured | None = None
    """What twice the length adds to the log-odds, with what people say held fixed."""


class Own(_Strict):
    """Does it prefer answers of its own model?"""

    names: list[str]
    judge: Measured
    people: Measured
    excess: Measured


class Attack(_Strict):
    """A good answer against itself with something worthless added. Fooled: the judge prefers the latter."""

    name: str
    fooled: Measured | None
    mean_p: float | None
    abstained: int = 0


class Group(_Strict):
    """A principle, a tag or a member of a panel."""

    name: str
    judged: int
    abstained: int
    accuracy: Measured | None = None
    consistency: Measured | None = None
    offset: Measured | None = None


class Agreement(_Strict):
    kappa: Measured | None = None
    """Cohen's, of the judge and the majority."""
    alpha: Measured | None = None
    """Krippendorff's, of all annotators and the judge."""
    people_alpha: Measured | None = None
    people: Measured | None = None
    """Of the annotators alone: the ceiling, as alpha and as the share of pairs of them that agree."""


class Bin(_Strict):
    said: float
    so: float
    count: int


class Fit(_Strict):
    """How well probabilities are calibrated, as confidence in the side taken."""

    ece: Measured
    brier: Measured
    log_loss: Measured
    bins: list[Bin]


class Calibration(_Strict):
    kind: Kind = "identity"
    parameters: list[float] = []
    knots: list[tuple[float, float]] = []
    losses: dict[Kind, float] = {}
    """Cross-validated log loss of each kind."""
    before: Fit | None = None
    after: Fit | None = None
    """On labels that the calibration was not fitted on."""
    note: str = ""

    @property
    def fits(self) -> list[tuple[str, Fit]]:
        """What there is of ``before`` and ``after``, with words for it."""
        both = (("as it says", self.before), ("calibrated", self.after))
        return [(name, fit) for name, fit in both if fit is not None]

    @property
    def calibrator(self) -> Calibrator:
        return Calibrator(self.kind, tuple(self.parameters), tuple(self.knots))

    @field_validator("knots", mode="after")
    @classmethod
    def _rising(cls, knots: list[tuple[float, float]]) -> list[tuple[float, float]]:
        if [c for c, _ in knots] != sorted(c for c, _ in knots):
            raise ValueError("the knots must rise")
        return knots


class Measures(_Strict):
    accuracy: Accuracy
    orders: Orders
    length: Length
    own: Own | None = None
    attacks: list[Attack] = []
    agreement: Agreement
    principles: list[Group] = []
    tags: list[Group] = []
    members: list[Group] = []
    """Of a panel."""
    weights: dict[str, float] = {}
    """Learned for the members, where there are any."""
    methods: dict[str, int] = {}
    """How verdicts were read."""
    histogram: list[tuple[float, float, int]] = []
    """From, to, count of the confidence in the side taken."""


class Check(_Strict):
    passed: bool
    words: str


class Gate(_Strict):
    """Whether this judge may label, and why."""

    may_label: bool
    checks: list[Check]
    warnings: list[str] = []


class JudgeCard(_Strict):
    format: Literal[1] = 1
    made_with: str
    judge: JudgeIdentity
    settings: list[Any] = []
    """Temperature, top_p, longest reply and stops of the model: a difference is said, and is no other judge."""
    constitution: ConstitutionIdentity
    seed: int = 0
    data: Data
    measures: Measures
    calibration: Calibration
    gate: Gate

    @property
    def name(self) -> str:
        model = self.judge.model.get("model")
        return f"{self.judge.plugin} of {model}" if model else self.judge.plugin

    def dump(self) -> str:
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"


def read_card(path: Path) -> JudgeCard:
    try:
        data = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such judge card: make one with `constitutional audit`") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a judge card: not JSON ({error}); make it again") from error
    return card_from(data, str(path))


def card_from(data: Any, where: str) -> JudgeCard:
    if not isinstance(data, dict) or "judge" not in data or "gate" not in data:
        raise ConfigError(f"{where}: not a judge card: `constitutional audit … --out {Path(where).name}` makes one")
    if data.get("format") != 1:
        raise ConfigError(
            f"{where}: a judge card of format {data.get('format')!r}, this version reads 1: make it again"
        )
    try:
        card = JudgeCard.model_validate(data)
        card.calibration.calibrator  # noqa: B018 - its numbers must make a calibrator
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: not a judge card as it was made: {key}: {first['msg']}; make it again") from error
    except ValueError as error:
        raise ConfigError(f"{where}: calibration: {error}; make the card again") from error
    return card


def differences(card: JudgeIdentity, own: JudgeIdentity) -> list[str]:
    """``model.revision: a → b`` for everything in which the card's judge is not this one. A judge that asks no model does
    not care which one the run would give it."""
    if not card.model:
        own = own.model_copy(update={"model": {}})
    old, new = dict(_flat(card.model_dump(mode="json"))), dict(_flat(own.model_dump(mode="json")))
    return [
        f"{key}: {_shown(old.get(key))} → {_shown(new.get(key))}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{at}.{place}")
    else:
        yield at, value


def _shown(value: Any) -> str:
    text = "none" if value is None or value in ({}, []) else str(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
