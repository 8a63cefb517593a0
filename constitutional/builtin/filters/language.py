"""An answer in another language than its question."""

from __future__ import annotations

import re

from pydantic import Field

from constitutional.builtin.options import FilterOptions, Side, sides
from constitutional.core.language import language
from constitutional.core.records import Drop, Pair, Reason, Trace
from constitutional.roles import Dropped, Setup

NAMES_A_LANGUAGE = re.compile(
    r"\b(?:translat\w*|traduci\w*|tradui\w*|traduz\w*|übersetz\w*|vertaal\w*|english|german|french|spanish|italian|"
    r"portuguese|dutch|swedish|danish|polish|czech|turkish|indonesian|vietnamese|chinese|mandarin|japanese|korean|russian|"
    r"ukrainian|bulgarian|arabic|hebrew|greek|hindi|bengali|tamil|thai|latin|romanian|finnish|hungarian|languages?|"
    r"deutsch\w*|englisch\w*|español|inglés|français|anglais|italiano|inglese|português|inglês)\b"
    r"|翻译|翻譯|英文|英语|中文|日语|日文|语言|перевед|английск|русск",
    re.IGNORECASE,
)


class LanguageOptions(FilterOptions):
    which: Side = Field(default="either", description="Whose language counts: the `chosen` answer's, or `either`'s.")
    characters: int = Field(default=20, ge=1, description="Shorter texts are taken to be in any language.")


class Language:
    """Where both languages are plain to see, and the dialogue names none: who asks for a translation wants another one."""

    def __init__(self, setup: Setup) -> None:
        options: LanguageOptions = setup.options
        self._which: Side = options.which
        self._characters = options.characters

    def check(self, pair: Pair, trace: Trace) -> Dropped:
        asked = [content for role, content in trace.prompt.messages if role != "assistant"]
        if any(NAMES_A_LANGUAGE.search(content) for content in asked):
            return None
        wanted = self._language(asked[-1])
        for response in sides(pair, self._which):
            found = self._language(response.text)
            if wanted is not None and found is not None and found != wanted:
                return Drop(Reason.LANGUAGE, f"{response.id} is in {found!r}, the prompt in {wanted!r}")
        return None

    def _language(self, text: str) -> str | None:
        """A script of its own needs no length: five Chinese characters are Chinese."""
        return language(text) if len(text) >= self._characters or not text.isascii() else None
