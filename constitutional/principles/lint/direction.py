"""Which way a piece of wording pulls: towards the short or the long, the safe or the dangerous, the better or the worse.

Each scale has words for its two ends. A half of a principle (statement, critique, revision, prefer) *wants* an end when
it asks for it, asks for less of the other, or hunts for the other as a fault. Two halves that want different ends of one
scale cannot both be followed. What cannot be read for certain is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitutional.principles.lint.english import EMPTY, THIRD, stem, unquoted

FOLLOWING = "following the principle"
AMOUNT = "amount of "
SCALES = {
    FOLLOWING: (
        r"follows?|upholds?|respects the (?:principle|rule)|keeps to the (?:principle|rule)|better|best",
        r"violates?|breaks? the|worse|worst|ignores? the|fails",
        "遵守|符合|更好",
        "违反|违背|更差|更糟",
    ),
    "length": (
        r"(?<!no )(?<!as )(?<!how )long(?:er|est)?|lengthy|lengthier|lengthen|wordy|wordier|verbose|padded|rambling|"
        r"more detail(?:ed)?|most detailed|expand",
        r"(?<!in )short(?:er|est)?|shorten|brief(?:er|est|ly)?|concise(?:ly)?|terse|succinct(?:ly)?|fewer words",
        "更长|冗长|啰嗦|太长|更详细",
        "简短|简洁|更短|简要|精炼|缩短",
    ),
    "harm": (
        r"harmful|dangerous|unsafe|toxic|racist|sexist|hateful|offensive|abusive|cruel|illegal|unethical",
        r"harmless|safe(?:r|st|ly)?|inoffensive",
        "有害|危险|不安全|违法",
        "无害|更安全|安全",
    ),
    "truth": (
        r"dishonest|untruthful|misleading|deceptive|false|made[- ]up|invented|fabricated|inaccurate",
        r"honest(?:ly)?|truthful(?:ly)?|accurate(?:ly)?",
        "不实|误导|虚假|编造|捏造|不准确|不诚实",
        "诚实|真实|属实|准确",
    ),
    "formality": (
        r"informal|casual(?:ly)?|chatty|colloquial|slang",
        r"formal(?:ly)?",
        "口语化|随意",
        "正式|书面",
    ),
    "manners": (
        r"rude(?:r|st)?|impolite|insulting",
        r"polite(?:r|st|ly)?|courteous(?:ly)?",
        "粗鲁|无礼|失礼|不礼貌",
        "礼貌|客气",
    ),
    "simplicity": (
        r"complicated|complex|technical|jargon|hard(?:er)? to (?:read|follow|understand)",
        r"simple(?:r|st)?|simply|simplify|plain(?:er|est|ly)?|easy|easier|understandable|readable",
        "复杂|晦涩|术语",
        "通俗|易懂|简单|浅显",
    ),
}  # fmt: skip
MENTION = {
    name: re.compile(
        rf"(?P<plus>(?<![\w-])(?:{plus})(?![\w-])|{plus_zh})|(?P<minus>(?<![\w-])(?:{minus})(?![\w-])|{minus_zh})",
        re.IGNORECASE,
    )
    for name, (plus, minus, plus_zh, minus_zh) in SCALES.items()
}
TURNS = re.compile(
    r"\b(?:less|least|fewer|not|never|no|none|nothing|nobody|neither|without|cannot|avoid(?:s|ing)?|remov(?:e|es|ing)|"
    r"cut(?:s|ting)?|drop(?:s|ping)?|delet(?:e|es|ing)|reduc(?:e|es|ing)|free (?:of|from)|instead of|rather than|"
    r"rid of|refrain(?:s|ing)?|declin(?:e|es|ing)|refus(?:e|es|ing)|replac(?:e|es|ing))\b|n['’]t\b"
    r"|更少|不|没有|去掉|删去|删除|避免|减少|最少|而非|拒绝|替换",
    re.IGNORECASE,
)
SPEAKS_OF = re.compile(
    r"\b(?:warns?|says?|tells?|explains?|shows?|names?|mentions?|about|against|asks?|handles?|whether|if|when|asked|"
    r"requests?|questions?|points? out that)\b|警告|说明|提醒|关于|询问|请求|问题|是否",
    re.IGNORECASE,
)
HUNTS = re.compile(
    r"\b(?:how|where|which (?:words|parts?|sentences?|ways?|passages?)|in what way|what makes|identify|list|point out|find|"
    r"quote|criticise|criticize|argument|ways in which)\b|指出|找出|哪里|哪些|如何|怎样",
    re.IGNORECASE,
)
PROPOSES = re.compile(r"\b(?:could|should|might|can be|ought)\b|可以|应该|应当", re.IGNORECASE)
ONLY = re.compile(r"\bonly\b", re.IGNORECASE)
SCANT = re.compile(r"^\s+(?:no|only|nothing|nobody|none|neither|less|fewer|without)\b", re.IGNORECASE)
COMPARED = re.compile(
    rf"(?P<verb>{THIRD.pattern})\s+(?P<after>more|less|fewer)\b|\b(?P<before>more|most|fewer|less|least)\s+(?P<noun>[a-z]+)",
    re.IGNORECASE,
)
CLAUSE = re.compile(r"[.;:?!。；：？！，]|,\s+(?:and|but)\s+|\b(?:but|so that)\b")


def wants(half: str, text: str) -> dict[str, tuple[int, str]]:
    """Scale → (+1 or −1, the words that say so). A half that pulls both ways on a scale is left out for it."""
    found: dict[str, tuple[int, str]] = {}
    both: set[str] = set()
    for name, sign, words in _mentions(half, text):
        if name in found and found[name][0] != sign:
            both.add(name)
        found.setdefault(name, (sign, words))
    if half == "statement":
        found[FOLLOWING] = (1, "the principle itself")
    return {name: value for name, value in found.items() if name not in both}


def _mentions(half: str, text: str) -> Iterator[tuple[str, int, str]]:
    for clause in CLAUSE.split(unquoted(text)):
        hunts = half == "critique" and not PROPOSES.search(clause)
        if hunts and not HUNTS.search(clause):
            continue
        for name, pattern in MENTION.items():
            if half == "statement" and name == FOLLOWING:
                continue
            for match in pattern.finditer(clause):
                before = clause[: match.start()]
                if half != "critique" and SPEAKS_OF.search(before):
                    continue
                turned = len(TURNS.findall(before)) + hunts
                sign = (1 if match["plus"] else -1) * (-1 if turned % 2 else 1)
                yield name, sign, match.group(0)


def amounts(half: str, text: str) -> dict[str, tuple[int, str]]:
    """How much of a thing is wanted, by its stem: a statement names things and denies them, a comparison asks for "more
    links" or "fewer promises". A critique is not read: it may count what there is."""
    found: dict[str, set[tuple[int, str]]] = {}
    if half == "statement":
        named = _named(text)
    elif half == "critique":
        named = iter(())
    else:
        named = _compared(text)
    for word, sign, words in named:
        if len(word) > 3 and word.lower() not in EMPTY:
            found.setdefault(f"{AMOUNT}{stem(word.lower())}", set()).add((sign, words))
    return {name: min(items) for name, items in found.items() if len({sign for sign, _ in items}) == 1}


def _named(text: str) -> Iterator[tuple[str, int, str]]:
    for clause in CLAUSE.split(unquoted(text)):
        for word in re.finditer(r"[A-Za-z]+", clause):
            before, after = clause[: word.start()], clause[word.end() :]
            denied = len(TURNS.findall(before)) + bool(ONLY.search(before)) + bool(SCANT.match(after))
            yield word.group(0), -1 if denied else 1, word.group(0)


def _compared(text: str) -> Iterator[tuple[str, int, str]]:
    for match in COMPARED.finditer(unquoted(text)):
        much = (match["after"] or match["before"]).lower() in ("more", "most")
        yield match["verb"] or match["noun"], 1 if much else -1, match.group(0)
