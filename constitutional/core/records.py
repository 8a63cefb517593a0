"""What flows through the pipeline. Every record is frozen; a transformation returns a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, SupportsFloat

from constitutional.core.digest import digest


class Message(NamedTuple):
    role: str
    content: str


Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A dialogue that waits for an answer: whole, every turn kept, the last one the user's."""

    id: str
    messages: Messages
    tags: tuple[str, ...] = ()
    reference: str | None = None
    source: str = ""

    @staticmethod
    def id_of(messages: Messages) -> str:
        return digest(messages)[:16]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: sampled (``round`` 0) or revised from ``parent``. ``call`` is the ledger key it came from."""

    id: str
    prompt_id: str
    text: str
    model: str
    sample: int
    call: str
    finish: str = "stop"
    round: int = 0
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Critique:
    """A critic's verdict on one response under one principle. ``violates`` is None where it could not be read."""

    response_id: str
    principle_id: str
    violates: bool | None
    text: str = ""
    p_violates: float | None = None
    method: str = ""
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """One attempt to repair ``response_id``; ``revised_id`` is None where it was not kept, and ``note`` says why."""

    response_id: str
    revised_id: str | None
    principle_id: str
    round: int
    call: str
    note: str = ""
    cut: tuple[str, ...] = ()
    """What was cut off the text: an opener that speaks of the revision, a closing that repeats."""
    refusal: bool = False
    """A refusal that was asked for, since the answer kept violating a hard principle."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well one response upholds one principle, 0 to 1; None is an abstention."""

    response_id: str
    principle_id: str
    value: float | None
    method: str
    calls: tuple[str, ...] = ()
    note: str = ""
    """Why it abstained, or what it found."""


class Member(NamedTuple):
    """What one of several judges said: its P(a is better than b), None where it abstained."""

    name: str
    p: float | None


def _plain(p: float | None) -> float | None:
    return float(p) if isinstance(p, SupportsFloat) else p


@dataclass(frozen=True, slots=True)
class Judgement:
    """P(a is better than b) under one principle. ``p_ab`` was read in the order (a, b), ``p_ba`` in the order (b, a)
    and turned back to a's point of view; ``p`` is their mean. None is an abstention, never a coin flip."""

    a: str
    b: str
    principle_id: str
    p_ab: float | None
    p_ba: float | None
    p: float | None
    consistent: bool | None
    method: str
    calls: tuple[str, ...] = ()
    note: str = ""
    """Why it abstained, or the reasons that the judge gave."""
    members: tuple[Member, ...] = ()
    """Of a panel: what each of its judges said."""

    @property
    def position_offset(self) -> float | None:
        """How much the judge favoured whatever came first: the mean over both orders of P(the first is better), less
        one half. In the order (a, b) that probability is ``p_ab``, in the order (b, a) it is ``1 - p_ba``; so the offset
        is half of ``p_ab - p_ba``. Positive: it leans to the first; 0: it does not look at the order. Its mean over many
        judgements is the judge's position bias."""
        return None if self.p_ab is None or self.p_ba is None else (self.p_ab - self.p_ba) / 2

    @property
    def disagreement(self) -> float | None:
        """Of a panel: the largest difference between two of its judges; None where fewer than two said anything."""
        said = [member.p for member in self.members if member.p is not None]
        return max(said) - min(said) if len(said) > 1 else None

    @classmethod
    def of(
        cls,
        a: Response,
        b: Response,
        principle_id: str,
        p_ab: float | None,
        p_ba: float | None,
        method: str,
        calls: tuple[str, ...] = (),
        note: str = "",
        members: tuple[Member, ...] = (),
    ) -> Judgement:
        """Both orders combined: one unreadable order makes the whole judgement an abstention. Numbers of numpy and torch
        become plain ones."""
        p_ab, p_ba = _plain(p_ab), _plain(p_ba)
        if p_ab is None or p_ba is None:
            why = note or "unreadable verdict"
            return cls(a.id, b.id, principle_id, p_ab, p_ba, None, None, method, calls, why, members)
        consistent = (p_ab - 0.5) * (p_ba - 0.5) > 0 or p_ab == p_ba
        return cls(a.id, b.id, principle_id, p_ab, p_ba, (p_ab + p_ba) / 2, consistent, method, calls, note, members)


class TierOpinion(NamedTuple):
    tier_id: str
    p: float


class Conflict(NamedTuple):
    """A lower tier that clearly preferred the other response, and the tier that overruled it."""

    overruled: str
    overruled_p: float
    by: str
    by_p: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """The constitution's answer to "is a better than b?". ``p`` is None when no tier decides."""

    a: str
    b: str
    p: float | None
    tier_id: str | None
    per_tier: tuple[TierOpinion, ...] = ()
    vetoed_by: str | None = None
    conflicts: tuple[Conflict, ...] = ()
    abstained_because: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A label: ``p_chosen`` is the probability that ``chosen`` is better, and ``ruling`` is the reason."""

    prompt_id: str
    chosen: Response
    rejected: Response
    p_chosen: float
    margin: float
    strategy: str
    ruling: Ruling
    judge_method: str
    chosen_score: float | None = None
    rejected_score: float | None = None


class Reason:
    """Why something did not become a pair. Plugins may add their own words; these are ours."""

    BAD_ROW = "bad_row"
    DUPLICATE = "duplicate_prompt"
    EMPTY_RESPONSE = "empty_response"
    CONTEXT_TOO_LONG = "context_too_long"
    PLUGIN_FAILED = "plugin_failed"
    CRASHED = "crashed_engine"
    TIE = "tie"
    ABSTAINED = "abstained"
    NO_REVISION = "nothing_to_revise"
    NO_COMPARISON = "nothing_to_compare"
    NO_OP_REVISION = "no_op_revision"
    EMPTY_REVISION = "empty_revision"
    REFUSED = "refused_instead"
    REFUSED_TASK = "refused_to_revise"
    RUNAWAY = "runaway_repetition"
    EMOJI = "emoji_burst"
    WORSENED = "broke_a_higher_tier"
    IDENTICAL = "identical_responses"
    UNRESOLVED = "unresolved_violation"
    BELOW_MARGIN = "below_margin"
    TRADE_OFF = "trade_off"
    NEAR_DUPLICATE = "near_duplicate_prompt"
    NEAR_IDENTICAL = "near_identical_responses"
    DUPLICATE_ANSWER = "duplicate_answer"
    TOO_SHORT = "too_short"
    LENGTH_RATIO = "length_ratio"
    LENGTH_UNMATCHED = "length_unmatched"
    LOW_CONFIDENCE = "low_confidence"
    INCONSISTENT = "inconsistent_orders"
    AGAINST_SCORES = "against_scores"
    LANGUAGE = "language_mismatch"
    TRUNCATED = "truncated_answer"
    REFUSAL = "refusal"
    BOILERPLATE = "boilerplate"
    CONTAMINATED = "contaminated"
    PERSONAL_DATA = "personal_data"
    DUPLICATE_PAIR = "duplicate_pair"
    NOT_ASKED = "not_asked"

    OF_REVISIONS = frozenset({NO_OP_REVISION, EMPTY_REVISION, REFUSED, REFUSED_TASK, RUNAWAY, EMOJI, WORSENED})
    """Why a revision was not kept; its prompt may still have become a pair."""
    OF_FILTERS = frozenset({
        NEAR_DUPLICATE, NEAR_IDENTICAL, DUPLICATE_ANSWER, TOO_SHORT, LENGTH_RATIO, LENGTH_UNMATCHED, LOW_CONFIDENCE,
        INCONSISTENT, AGAINST_SCORES, LANGUAGE, TRUNCATED, REFUSAL, BOILERPLATE, CONTAMINATED, PERSONAL_DATA,
    })  # fmt: skip
    OUTCOMES = OF_REVISIONS | OF_FILTERS | {
        DUPLICATE, TIE, ABSTAINED, NO_REVISION, NO_COMPARISON, IDENTICAL, UNRESOLVED, BELOW_MARGIN, TRADE_OFF,
        DUPLICATE_PAIR, NOT_ASKED,
    }  # fmt: skip
    """Ordinary results. Every other reason is a failure, and counts against ``--max-failure-rate``."""


class Drop(NamedTuple):
    """Why a filter drops something: a word, and what there is to say of this case."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that was dropped, and why. ``failure`` says that it went wrong, rather than merely did not yield."""

    prompt_id: str
    reason: str
    detail: str = ""
    failure: bool = False

    @classmethod
    def of(cls, prompt_id: str, dropped: str | Drop, about: str = "") -> Reject:
        """What a filter dropped."""
        reason, detail = (dropped, "") if isinstance(dropped, str) else dropped
        return cls(prompt_id, reason, ": ".join(part for part in (about, detail) if part))


Status = Literal["paired", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything that happened to one prompt: it is what explains a label."""

    prompt: Prompt
    responses: tuple[Response, ...] = ()
    critiques: tuple[Critique, ...] = ()
    revisions: tuple[Revision, ...] = ()
    scores: tuple[Score, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    pairs: tuple[Pair, ...] = ()
    rejects: tuple[Reject, ...] = ()
    unresolved: tuple[str, ...] = ()
    """Responses that still violate a hard principle: they can never be chosen."""

    @property
    def failed(self) -> bool:
        return any(reject.failure for reject in self.rejects)

    @property
    def status(self) -> Status:
        if self.failed:
            return "failed"
        return "paired" if self.pairs else "rejected"
