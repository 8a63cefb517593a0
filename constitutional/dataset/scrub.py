"""What must not travel with a dataset: keys, addresses and this machine's paths, in settings and in messages.

Answers and prompts are left as they are: they are the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

ADDRESS, PATH, SECRET = "<address>", "<path>", "<secret>"
_SECRET = re.compile(
    r"(?:\b(?:sk|pk|rk|hf|gh[pousr]|xox[abpr]|AIza|AKIA|eyJ)[-_]?[A-Za-z0-9_\-.]{12,})"
    r"|(?i:\bbearer\s+[A-Za-z0-9_\-.~+/=]{8,})"
    r"|(?i:\b(?:api[-_ ]?key|token|secret|password)(?: provided)?\s*[=:]\s*['\"]?[^\s'\",;]{6,})"
)
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)\]}]+")
_HOST = re.compile(
    r"\b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?\b|\[[0-9a-fA-F:]{2,}\](?::\d{1,5})?"
    r"|\b[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?!\.(?:jsonl?|csv|tsv|parquet|yaml|txt):)\.[A-Za-z0-9-]+:\d{2,5}\b"
    r"|\bhost=\S+"
)
_UNIX = re.compile(
    r"(?<=['\"])~?/[^'\"\n]+(?=['\"])|(?<![\w.<>/~])~?/(?:[\w.@+-]+/)+[\w.@+-]*|(?<![\w.<>/])~/[\w.@+-]+"
)
_WINDOWS = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]:\\[^\s'\"]+|\\\\[\w.-]+\\[^\s'\"]+")
_PRIVATE = re.compile(
    r"(?:^|[_-])(?:api|key|secret|password|passwd|auth|authorization|credentials?|cookie|url|uri|base|endpoint|"
    r"host|hostname|address|proxy|header|env|path|file|folder|dir|directory|cache|home|user|username)s?(?:$|[_-])"
    r"|(?:^|[_-])token(?:$|[_-])",
    re.IGNORECASE,
)
"""Names of settings that say where something is or how one gets in."""


def scrubber(known: Iterable[str] = ()) -> Callable[[str], str]:
    """What makes a message fit to be published. ``known`` are texts that must not stand in it whatever they look like:
    the addresses and folders of this run."""
    literal = sorted({text for text in known if len(text) > 3}, key=len, reverse=True)
    own = re.compile("|".join(map(re.escape, literal))) if literal else None

    def scrub(text: str) -> str:
        if own is not None:
            text = own.sub(PATH, text)
        for pattern, word in ((_SECRET, SECRET), (_URL, ADDRESS), (_HOST, ADDRESS), (_WINDOWS, PATH), (_UNIX, PATH)):
            text = pattern.sub(word, text)
        return text

    return scrub


def public(value: Any, scrub: Callable[[str], str], names: Mapping[str, str] | None = None) -> Any:
    """Settings without what is private: entries whose name says so are left out, texts are scrubbed. A text that is a key
    of ``names`` is public under the name given there."""
    names = names or {}
    if isinstance(value, Mapping):
        return {
            key: public(inner, scrub, names)
            for key, inner in value.items()
            if not (isinstance(key, str) and _PRIVATE.search(key) and not _is_public(inner, names))
        }
    if isinstance(value, list | tuple):
        return [public(inner, scrub, names) for inner in value]
    if isinstance(value, str):
        return names[value] if value in names else scrub(value)
    return value


def _is_public(value: Any, names: Mapping[str, str]) -> bool:
    """A number or a switch gives nothing away, whatever it is called."""
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and value in names)
