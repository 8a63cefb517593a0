"""What small models put into revisions, and what training on it has been seen to end in: openers, refusals to revise,
closings that repeat, bursts of emoji, loops. What can be cut off is cut off; the rest is a reason to drop the text."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

OPENER = re.compile(
    r"""\A\s*(?:
        (?:(?:sure|certainly|of\ course|absolutely|okay|ok|great)\b[!,.:]?\s*)?
        (?:here(?:\ is|'s|’s)|below\ is|this\ is)\s[^\n.:!?]{0,60}
        (?:revis|rewrit|rewrote|updated|improved|corrected|edited)[^\n.:!?]{0,60}[:.!]+
      | (?:\*\*|\#+\s*)?(?:the\ )?(?:revised|rewritten|updated|improved|corrected)\s
        (?:answer|response|version|reply|text)\s*:?(?:\*\*)?\s*[:\n]
      | (?:好的|当然)?[，,！!]?\s*(?:以下|下面)是[^\n。：:]{0,20}(?:修改|改写|修订)[^\n。：:]{0,20}[：:]
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
REFUSES_THE_TASK = re.compile(
    r"\b(?:I|we)\s*(?:'m|’m|am|are)?\s*(?:can(?:no|'|’)t|cannot|unable\ to|won(?:'|’)t|will\ not|not\ able\ to)\s"
    r"(?:to\ )?(?:revise|rewrite|edit|help\ (?:with|you)\ (?:revis|rewrit|edit)|provide\ a\ (?:revis|rewrit))"
    r"|无法(?:修改|改写)",
    re.IGNORECASE | re.VERBOSE,
)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
MOST_EMOJI, CHARACTERS_PER_EMOJI = 4, 60
PHRASE, MOST_PHRASES, MOST_CHARACTERS = 6, 4, 40
"""A phrase of so many words may come so often; one character may be repeated so often in a row."""
_LONG_RUN = re.compile(rf"([^\s.\-_=*#~])\1{{{MOST_CHARACTERS - 1},}}")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*(?=\S)")


class Cleaned(NamedTuple):
    text: str
    cut: tuple[str, ...]
    """What was cut off: ``boilerplate_opener``, ``repeated_closing``."""


def cleaned(text: str) -> Cleaned:
    """The text without an opener that speaks of the revision, and with each closing sentence once."""
    cut = []
    without_opener = OPENER.sub("", text, count=1).strip()
    if without_opener and without_opener != text.strip():
        text, cut = without_opener, ["boilerplate_opener"]
    once = _closings_once(text)
    if once != text:
        text, cut = once, [*cut, "repeated_closing"]
    return Cleaned(text, tuple(cut))


def fault(text: str, before: str) -> str | None:
    """Why a revision is of no use, None where nothing is wrong. A refusal is a fault only where the answer before was
    none: whether one is *wanted* is for the principle to say, so the caller decides whether to ask."""
    if not text.strip():
        return "empty_revision"
    if text.split() == before.split():
        return "no_op_revision"
    if REFUSES_THE_TASK.search(text[:300]):
        return "refused_to_revise"
    if runs_away(text):
        return "runaway_repetition"
    if emoji_burst(text) and not emoji_burst(before):
        return "emoji_burst"
    return None


def emoji_burst(text: str) -> bool:
    count = len(EMOJI.findall(text))
    return count > MOST_EMOJI and count * CHARACTERS_PER_EMOJI > len(text)


def runs_away(text: str) -> bool:
    """A phrase that comes again and again, or one character without end."""
    if _LONG_RUN.search(text):
        return True
    words = text.casefold().split()
    phrases = Counter(tuple(words[start : start + PHRASE]) for start in range(len(words) - PHRASE + 1))
    return bool(phrases) and phrases.most_common(1)[0][1] > MOST_PHRASES


def _closings_once(text: str) -> str:
    """``Take care. Take care. Take care.`` → ``Take care.``"""
    sentences = _SENTENCE.split(text)
    if len(sentences) < 3 or sentences[-1].strip() != sentences[-2].strip():
        return text
    last = sentences[-1].strip()
    repeats = next((n for n, sentence in enumerate(reversed(sentences)) if sentence.strip() != last), len(sentences))
    kept = text.rstrip()
    for _ in range(repeats - 1):
        kept = kept[: -len(last)].rstrip()
    return kept
