from __future__ import annotations

import re

from constitutional.audit.card import data_of
from constitutional.audit.gate import gate
from constitutional.audit.labels import Labels
from constitutional.audit.measures import measures
from constitutional.audit.page import judge_page
from constitutional.config.judge_card import (
    Attack,
    Calibration,
    ConstitutionIdentity,
    JudgeCard,
    JudgeIdentity,
    Measured,
)
from constitutional.core.records import Member
from tests.support.verdicts import pair, verdict

NASTY = "</td><script>alert(1)</script>"


def a_card(name: str = "m") -> JudgeCard:
    """Of twenty verdicts, with every section that a card can have."""
    members = (Member("one", 0.8), Member(NASTY, None))
    verdicts = [
        verdict(
            pair(
                str(n),
                {"ann": float(n % 4 != 0), "bob": 1.0},
                "long answer",
                "short",
                authors=("m", "n"),
                tags=(NASTY,),
            ),
            0.8,
            members=members,
        )
        for n in range(20)
    ]
    found = measures(verdicts, ["m"])
    attack = Attack(name="verbosity", fooled=Measured(value=0.5, low=0.1, high=0.9, n=4), mean_p=0.5)
    found = found.model_copy(update={"attacks": [attack], "weights": {"one": 1.0}})
    data = data_of(Labels([one.pair for one in verdicts], ("labels.jsonl",)), verdicts)
    return JudgeCard(
        made_with="0",
        judge=JudgeIdentity(plugin="panel", model={"model": name}, options={"x": NASTY}),
        constitution=ConstitutionIdentity(name=NASTY, version="1", digest="d"),
        data=data,
        measures=found,
        calibration=Calibration(note="few"),
        gate=gate(found, data),
    )


def test_every_part_of_a_card_is_on_its_page_and_hostile_text_is_text() -> None:
    page = judge_page(a_card(NASTY))
    assert "<script" not in page
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "How often it is right", "What the order does", "What length does", "Can it be gamed?",
        "Does it prefer its own model?", "Do its probabilities mean what they say?", "Agreement", "By principle", "By tag",
        "By member of the panel", "Learned weights of the panel", "How this was made",
    ]  # fmt: skip
    assert page.count("<svg") >= 5


def test_a_card_names_files_without_their_folders_and_counts_what_was_left_out() -> None:
    card = a_card()
    assert (card.data.files, card.data.annotators, card.data.ties) == (["labels.jsonl"], ["ann", "bob"], 5)
    assert card.name == "panel of m"
