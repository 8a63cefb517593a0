"""Whether a judge may label a run: its judge card, if the run names one, must be of this very judge and say yes."""

from __future__ import annotations

from pathlib import Path

from constitutional.config.judge_card import ConstitutionIdentity, JudgeCard, JudgeIdentity, differences, read_card
from constitutional.config.run import RunConfig
from constitutional.errors import ConfigError, ConstitutionalError


def admitted(config: RunConfig, base: Path, judge: JudgeIdentity) -> JudgeCard | None:
    """The card, where there is one and the judge may label. Another judge's card says nothing of this one, accepted or
    not."""
    if config.judge_card is None:
        if config.accept_bad_judge:
            raise ConfigError("accept_bad_judge: there is no judge card to overrule: give --judge-card FILE too")
        return None
    card = read_card(base / config.judge_card)
    other = differences(card.judge, judge)
    if other:
        listed = "\n".join(f"  judge.{line}" for line in other)
        raise ConfigError(
            f"{config.judge_card} is the card of another judge ({card.name}); from the card's to this run's:\n{listed}\n"
            "make a card of this judge with `constitutional audit`"
        )
    if not card.gate.may_label and not config.accept_bad_judge:
        failed = "\n".join(f"  {check.words}" for check in card.gate.checks if not check.passed)
        raise ConstitutionalError(
            f"{config.judge_card}: {card.name} may not label:\n{failed}\n"
            "take another judge or template, or audit it on more labels; --accept-bad-judge labels all the same, and the "
            "dataset card will say so"
        )
    return card


def card_notes(card: JudgeCard, constitution: ConstitutionIdentity, settings: list[object]) -> list[str]:
    """What is worth saying of a card that was accepted."""
    notes = []
    if not card.gate.may_label:
        notes.append(f"{card.name} was found unfit to label and labels all the same: --accept-bad-judge")
    if card.constitution.digest != constitution.digest:
        was, now = (f"{named.name} {named.version}" for named in (card.constitution, constitution))
        changed = f"{was}, which has changed since" if was == now else f"{was}, this run's is {now}"
        notes.append(
            f"the judge card was made with another constitution ({changed}): how good the judge is here is a guess"
        )
    if card.settings and card.settings != settings:
        notes.append("the judge card was made with other sampling settings of the judge's model")
    return notes
