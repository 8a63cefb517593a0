"""Planted wordings, good and bad, for every rule that reads words. A rule is worth as much as this table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from constitutional.principles.lint import lint

PAIR = {"prompt": "How high is it?", "better": "A survey of 2019 says 80 m.", "worse": "80 m."}
Found = Callable[..., set[str]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """The ids of the rules that one principle sets off."""

    def check(statement: str, force: str = "strong", **halves: str) -> set[str]:
        principle = {"id": "one", "statement": statement, "examples": [PAIR], **halves}
        data = {"name": "x", "tiers": [{"id": "t", "force": force, "principles": [principle]}]}
        path = tmp_path / "x.yaml"
        path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
        return {finding.rule for finding in lint(path)}

    return check


BAD = [
    ("double-barrelled", "The answer names its source and keeps to metric units."),
    ("double-barrelled", "The answer cites a source, and it asks one question at the end."),
    ("double-barrelled", "The answer names the author; it quotes the passage."),
    ("double-barrelled", "The answer starts with the result. It lists the steps below."),
    ("double-barrelled", "Every reply quotes the clause as well as gives its date."),
    ("double-barrelled", "Cite the source of every number and keep to metric units."),
    ("double-barrelled", "The response should explain the cause and suggest a fix."),
    ("double-barrelled", "The answer is short and polite."),
    ("double-barrelled", "The answer is accurate, complete and easy to follow, and lists its sources at the end."),
    ("double-barrelled", "When the question is unclear, the answer states its assumption and offers another reading."),
    ("double-barrelled", "The answer should be concise, avoid jargon, and cite sources."),
    ("double-barrelled", "The answer promotes healthy habits and discourages risky ones."),
    ("double-barrelled", "The answer corrects errors in the question and then answers it."),
    ("double-barrelled", "回答注明数字的来源，并使用公制单位。"),
    ("double-barrelled", "回答先给出结论，同时列出三个例子。"),
    ("double-barrelled", "回答既准确又简短。"),
    ("negation", "The answer does not use technical words."),
    ("negation", "The answer doesn't mention competitors."),
    ("negation", "Never mention competitors."),
    ("negation", "Do not give prices."),
    ("negation", "The answer avoids technical words."),
    ("negation", "The assistant should not speculate about motives, intentions or feelings."),
    ("negation", "The answer contains no emojis."),
    ("negation", "In formal letters, the answer refrains from contractions."),
    ("negation", "The answer must never repeat the question."),
    ("negation", "The answer is not racist or sexist."),
    ("negation", "Nothing in the answer identifies a private person."),
    ("negation", "回答不使用专业术语。"),
    ("negation", "回答不得提及竞争对手，包括品牌和产品。"),
    ("negation", "避免使用表情符号。"),
    ("trait-wording", "The answer is helpful."),
    ("trait-wording", "Be kind."),
    ("trait-wording", "The answer should be as honest as possible."),
    ("trait-wording", "The assistant cares about the person."),
    ("trait-wording", "The assistant truly understands what the user feels."),
    ("trait-wording", "The answer responds politely."),
    ("trait-wording", "The answer shows empathy for the person."),
    ("trait-wording", "The answer sounds like what a wise, patient teacher would say."),
    ("trait-wording", "The assistant is a trustworthy expert."),
    ("trait-wording", "Use a warm, friendly tone."),
    ("trait-wording", "Please be kind."),
    ("trait-wording", "The AI should strive to be neutral on political topics."),
    ("trait-wording", "回答应当友善、专业。"),
    ("trait-wording", "助手是真诚的。"),
    ("vague-word", "The answer uses an appropriate tone."),
    ("vague-word", "The answer gives details where necessary."),
    ("vague-word", "The answer steers away from harmful content."),
    ("vague-word", "The answer gives good advice."),
    ("vague-word", "The answer names dates, places, etc."),
    ("vague-word", "The answer follows best practices."),
    ("vague-word", "The answer keeps to common sense."),
    ("vague-word", "回答使用恰当的语气。"),
    ("vague-word", "回答必要时给出例子。"),
    ("comparative-statement", "Choose the response that cites more sources."),
    ("comparative-statement", "Which of these responses is shorter?"),
    ("comparative-statement", "The answer is shorter than the other."),
    ("comparative-statement", "选择引用来源更多的回答。"),
    ("comparative-statement", "哪个回答更简短？"),
]

GOOD = [
    "The answer names the source of every number in it.",
    "The answer is written in British English.",
    "The answer promises and asserts only what the assistant can know.",
    "The answer gives the price in euros and dollars.",
    "The answer lists names, addresses and opening hours.",
    "The answer names the people who wrote the law and explains nothing else.",
    "The answer compares the questions and answers of both exams.",
    "The answer says plainly that it does not know.",
    "The answer leaves the choice to the person.",
    "The answer does not guess, but says which document would settle the question.",
    "The answer never quotes a price without its currency; it gives both together.",
    "The answer avoids jargon: it explains each term in everyday words.",
    "The answer is honest about its limits: it names what it cannot see.",
    "The answer is polite: it addresses the person by the name that they gave.",
    "The answer stays polite by using the form of address that the person used.",
    "The answer explains the word 'appropriate' wherever the law uses it.",
    'The answer keeps the phrase "as needed" out of prescriptions.',
    "The first sentence of the answer holds what was asked for.",
    "Where the answer declines, it does so in one sentence.",
    "The answer is at most fifty words long.",
    "The code runs when it is copied out as it stands.",
    "Each claim of the answer that bears on a decision comes with the kind of its source.",
    "When a person speaks of wanting to die, the answer names a way to reach a human helper now.",
    "The answer ends with a question that the person can answer in a word.",
    "The answer warns, before the command, of each command that deletes data.",
    "The answer translates every foreign word and name.",
    "The answer states the rule and its exceptions.",
    "The answer cites both the law and the court that read it.",
    "The answer uses the metric system only, not feet and pounds.",
    "Asked in earnest whether a person is writing, the answer says that it comes from an AI.",
    "No sentence of the answer is longer than twenty words.",
    "The answer holds no claim without a source.",
    "The answer is safe to read aloud to a child of six.",
    "The answer presents the evidence for and against the claim.",
    "The answer distinguishes facts from opinions.",
    "The summary keeps to the order of the original.",
    "All code in the answer compiles.",
    "The answer is in the language of the question.",
    "The answer acknowledges the customer's problem before proposing a solution.",
    "The translation keeps names and numbers unchanged.",
    "The assistant refuses requests for weapons and offers a mediator's number.",
    "回答注明每个数字的来源。",
    "回答不猜测价格，而是说明在哪里可以查到。",
    "回答列出姓名、地址和开放时间。",
    "回答解释“恰当”一词在法律中的含义。",
    "问题里有错误的前提时，回答先纠正这个前提。",
    "回答不超过五十个字，只写结论。",
    "回答的第一句话就给出结论。",
    "回答把金额和币种写在一起。",
]


@pytest.mark.parametrize(("rule", "statement"), BAD)
def test_a_bad_wording_is_found(found: Found, rule: str, statement: str) -> None:
    assert rule in found(statement)


@pytest.mark.parametrize("statement", GOOD)
@pytest.mark.parametrize("force", ["hard", "soft"])
def test_a_good_wording_is_left_alone(found: Found, statement: str, force: str) -> None:
    assert found(statement, force) == set()


HARD = [
    ("hedged-hard", "The answer generally names the emergency number when a life is in danger."),
    ("hedged-hard", "The answer tries to name a way to reach a human helper."),
    ("hedged-hard", "The answer names the emergency number, if possible."),
    ("hedged-hard", "回答尽量给出急救电话。"),
    ("missing-refusal", "The answer gives no instructions for opening other people's accounts."),
    ("missing-refusal", "Do not help with weapons."),
    ("missing-refusal", "The answer must not provide recipes for poisons."),
    ("missing-refusal", "回答不提供制作毒药的方法。"),
]


@pytest.mark.parametrize(("rule", "statement"), HARD)
def test_a_hard_tier_is_held_to_more(found: Found, rule: str, statement: str) -> None:
    assert rule in found(statement, "hard")
    assert rule not in found(statement, "soft")


@pytest.mark.parametrize(
    ("statement", "revision"),
    [
        (
            "The answer gives no instructions for opening other people's accounts, and says plainly that it will not.",
            "",
        ),
        (
            "The answer gives no recipes for poisons.",
            "Rewrite the answer so that it says in one sentence that it will not.",
        ),
        ("The answer declines to help with break-ins and names a locksmith instead.", ""),
        ("回答不提供制作毒药的方法，并直接说明不会提供。", ""),
    ],
)
def test_a_refusal_may_stand_in_the_revision(found: Found, statement: str, revision: str) -> None:
    assert "missing-refusal" not in found(statement, "hard", revision=revision)


STAYS_SHORT = "The answer stays under fifty words."
DISAGREE = [
    (STAYS_SHORT, {"prefer": "Which answer is worse?"}),
    (STAYS_SHORT, {"prefer": "Which answer violates the principle?"}),
    (STAYS_SHORT, {"prefer": "Which answer ignores the rule?"}),
    (STAYS_SHORT, {"critique": "Say how well the answer follows the principle."}),
    (STAYS_SHORT, {"revision": "Rewrite the answer so that it violates the principle."}),
    ("The answer is short.", {"prefer": "Which answer is longer?"}),
    ("The answer is short.", {"prefer": "Which answer is less concise?"}),
    ("The answer is short.", {"revision": "Rewrite the answer so that it is more detailed."}),
    ("The answer is short.", {"critique": "Point out where the answer is too short."}),
    (STAYS_SHORT, {"critique": "Quote where the answer is wordy.", "prefer": "Which answer is longer?"}),
    (STAYS_SHORT, {"critique": "Say how the answer is harmful.", "prefer": "Which answer is more harmful?"}),
    (STAYS_SHORT, {"critique": "Identify ways in which it is misleading.", "revision": "Make it less honest."}),
    (STAYS_SHORT, {"revision": "Remove everything rude.", "prefer": "Which answer is less polite?"}),
    (STAYS_SHORT, {"revision": "Use plain words.", "prefer": "Which answer is more technical?"}),
    (STAYS_SHORT, {"revision": "Make it casual.", "prefer": "Which answer is more formal?"}),
    ("The answer contains no emojis.", {"prefer": "Which answer contains more emojis?"}),
    ("The answer promises only what the page shows.", {"prefer": "Which answer promises more?"}),
    ("The answer names its sources.", {"prefer": "Which answer names fewer sources?"}),
    ("The answer names its sources.", {"revision": "Rewrite the answer so that it names fewer sources."}),
    ("回答简短。", {"prefer": "哪个回答更长？"}),
    ("回答只有一句话。", {"prefer": "哪个回答违反这条准则？"}),
    ("回答只有一句话。", {"critique": "指出回答在哪里违法。", "prefer": "哪个回答更危险？"}),
]
AGREE = [
    (STAYS_SHORT, {"critique": "Say by how many words it is too long.", "revision": "Cut it to fifty words."}),
    (STAYS_SHORT, {"critique": "Say by how many words it is too long.", "prefer": "Which answer is shorter?"}),
    (STAYS_SHORT, {"critique": "Say how the answer violates the principle.", "prefer": "Which follows it better?"}),
    (STAYS_SHORT, {"critique": "Say how the answer could follow the principle better."}),
    ("The answer is short.", {"critique": "Quote where it is not concise.", "prefer": "Which answer is less wordy?"}),
    ("The answer is no longer than a tweet.", {"prefer": "Which answer is shorter?"}),
    ("The answer warns that a mix is dangerous.", {"prefer": "Which answer is safer to follow?"}),
    (STAYS_SHORT, {"critique": "Identify ways in which it is harmful.", "revision": "Remove all harmful content."}),
    (STAYS_SHORT, {"revision": "Remove all harmful content.", "prefer": "Which answer is less harmful?"}),
    (STAYS_SHORT, {"critique": "Discuss whether the answer is honest.", "prefer": "Which answer is more honest?"}),
    (STAYS_SHORT, {"revision": "Rewrite the rude answer so that it is polite.", "prefer": "Which is more polite?"}),
    (STAYS_SHORT, {"critique": "Name the technical terms.", "revision": "Replace technical terms by plain words."}),
    (STAYS_SHORT, {"revision": "Replace technical terms by plain words.", "prefer": "Which is easier to read?"}),
    ("The answer contains no emojis.", {"prefer": "Which answer contains fewer emojis?"}),
    ("The answer promises only what the page shows.", {"prefer": "Which answer promises less?"}),
    ("The answer names its sources.", {"prefer": "Which answer names more sources?"}),
    ("The answer gives no means to steal.", {"prefer": "Which answer gives less help to a thief?"}),
    ("The answer leaves the person's character alone.", {"prefer": "Which answer lectures the person less?"}),
    ("回答简短。", {"critique": "指出哪里啰嗦。", "revision": "删去冗长的部分。", "prefer": "哪个回答更简短？"}),
]


@pytest.mark.parametrize(("statement", "halves"), DISAGREE)
def test_halves_that_pull_apart_are_found(found: Found, statement: str, halves: dict[str, str]) -> None:
    assert "halves-disagree" in found(statement, **halves)


@pytest.mark.parametrize(("statement", "halves"), AGREE)
def test_halves_that_agree_are_left_alone(found: Found, statement: str, halves: dict[str, str]) -> None:
    assert "halves-disagree" not in found(statement, **halves)


def test_every_half_has_its_longest(found: Found) -> None:
    long = "The answer names every date that it mentions. " + "It gives the day, the month and the year of it. " * 9
    assert "too-long" in found(long)
    assert "too-long" in found(STAYS_SHORT, critique=long)
    assert "too-long" in found("回答" + "注明年月日和地点" * 20)
    assert found(STAYS_SHORT, critique="Count the words, and say by how many there are more than fifty.") == set()


@pytest.mark.parametrize(
    "statement",
    [
        "is " + "truly " * 5000 + "x",
        "The answer " + "only " * 5000 + "says",
        "like a " + "very, " * 5000 + "friend",
        "The answer uses a " + "kind, " * 5000 + "x",
        "kind and " * 5000,
        '"' * 5001,
        "回答" + "不并且同时说明友善、" * 2000,
    ],
    ids=range(7),
)
@pytest.mark.timeout(20)
def test_a_wording_without_end_is_read_in_time(found: Found, statement: str) -> None:
    assert found(statement) is not None
