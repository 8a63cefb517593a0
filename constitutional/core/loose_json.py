"""JSON as models write it: in a fence or in the middle of prose, with trailing commas, single or curly quotes, bare keys,
comments, Python's words for true and null, quotes inside of quotes, or cut off in the middle.

``objects`` gives every object that a text holds, in order, and nothing else is assumed of it. Strict JSON always reads as
itself. What was cut off is left out rather than guessed: of ``{"A": 1`` nobody knows whether it was going to be 10."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

from constitutional.core.plain import mended

MOST_DEPTH, MOST_ATTEMPTS = 40, 50
"""Deeper nesting is no verdict of anybody; and a text full of braces that open nothing costs at most so many attempts."""

_QUOTES = {'"': '"', "'": "'", "“": "”„“", "„": "“”", "‘": "’", "`": "`"}
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None, "nan": None, "undefined": None}
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z")
_SPACE = re.compile(r"(?:\s+|//[^\n]*|\#[^\n]*|/\*.{0,500}?(?:\*/|\Z))*", re.DOTALL)
_BARE = re.compile(r"[^,;:{}\[\]\n\"]+")
_BARE_KEY = re.compile(r"[^\W\d][\w .-]*|\d+")
_COMMENT = re.compile(r"\s+(?://|\#)|/\*")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_CODE = re.compile(r"u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})")


class _Cut(Exception):  # noqa: N818 - a signal within this module
    """The text ended inside a value that cannot be used by half."""


class _NotJson(Exception):  # noqa: N818 - a signal within this module
    """These braces hold something else."""


def objects(text: str) -> list[dict[str, Any]]:
    """Every outermost object in the text. Never raises; anything may be empty or missing."""
    found: list[dict[str, Any]] = []
    at = text.find("{")
    for _ in range(MOST_ATTEMPTS):
        if at < 0:
            break
        value, end = _object(text, at)
        if value is None:
            at = text.find("{", at + 1)
        else:
            found.append(value)
            at = text.find("{", end)
    return found


def _object(text: str, at: int) -> tuple[dict[str, Any] | None, int]:
    try:
        value, end = _STRICT.raw_decode(text, at)
        return _without_surrogates(value), end
    except (ValueError, RecursionError):
        pass
    reader = _Reader(text, at)
    try:
        return reader.object(0), reader.at
    except (_NotJson, _Cut):
        return None, at


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        while not self._closed("}"):
            try:
                key = self._key()
                self._skip()
                if self._peek() not in (":", "="):
                    if not self._peek():
                        break
                    raise _NotJson
                self.at += 1
                found[key] = self._value(depth + 1)
            except _Cut:
                self.at = len(self.text)
                break
        return found

    def _array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while not self._closed("]"):
            try:
                found.append(self._value(depth + 1))
            except _Cut:
                self.at = len(self.text)
                break
        return found

    def _closed(self, end: str) -> bool:
        """Skips what separates two members. A container that was never closed ends where the text does, or where an
        outer one is closed."""
        while True:
            self._skip()
            if self._peek() not in (",", ";"):
                break
            self.at += 1
        here = self._peek()
        if here == end:
            self.at += 1
            return True
        return here in ("", "}", "]")

    def _key(self) -> str:
        if self._peek() in _QUOTES:
            return self._string()
        bare = _BARE_KEY.match(self.text, self.at)
        if bare is None:
            raise _NotJson
        self.at = bare.end()
        return bare[0].strip()

    def _value(self, depth: int) -> Any:
        self._skip()
        here = self._peek()
        if not here:
            raise _Cut
        if depth > MOST_DEPTH:
            raise _NotJson
        if here == "{":
            return self.object(depth)
        if here == "[":
            return self._array(depth)
        return self._string() if here in _QUOTES else self._bare()

    def _bare(self) -> Any:
        """A number, a word for true, false or null, or words without quotes."""
        found = _BARE.match(self.text, self.at)
        if found is None:
            raise _NotJson
        if found.end() == len(self.text):
            raise _Cut
        self.at = found.end()
        word = _COMMENT.split(found[0], maxsplit=1)[0].strip()
        if _NUMBER.match(word):
            return _number(word)
        return _WORDS.get(word.casefold(), word)

    def _string(self) -> str:
        """A quote ends the string where JSON could go on after it; any other belongs to the text."""
        ends = _QUOTES[self.text[self.at]]
        at, found = self.at + 1, ""
        while at < len(self.text):
            character = self.text[at]
            if character == "\\" and at + 1 < len(self.text):
                piece, at = self._escape(at + 1)
                found += piece
            elif character in ends and self._may_end(at + 1):
                self.at = at + 1
                return mended(found)
            else:
                found += character
                at += 1
        raise _Cut

    def _escape(self, at: int) -> tuple[str, int]:
        code = _CODE.match(self.text, at)
        if code is None:
            return _ESCAPED.get(self.text[at], self.text[at]), at + 1
        value = chr(int(code[1] or code[2], 16))
        return value, code.end()

    def _may_end(self, at: int) -> bool:
        rest = _SPACE.match(self.text, at)
        end = rest.end() if rest else at
        following = self.text[end : end + 1]
        return not following or following in ",:}];=" or "\n" in self.text[at:end]

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]


def _number(word: str) -> int | float | str:
    try:
        return int(word)
    except ValueError:
        value = float(word)
        return value if isfinite(value) else word


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return mended(value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


_STRICT = json.JSONDecoder(parse_constant=lambda word: None, parse_float=_number)
