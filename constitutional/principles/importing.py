"""The two list formats in public use, read into our YAML.

*Pairs*: a JSON list (or an object around one, or an object with a name per pair) of a critique request and a revision
request. *Comparisons*: a JSON list of texts, or plain text with one principle a line, numbered, with bullets, or between
fences marked CONSTITUTION.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from constitutional.errors import ConfigError
from constitutional.principles.lint.english import listed
from constitutional.principles.writing import MODELINE

CRITIQUE_KEYS = ("critique", "critic", "critique_request", "critique_prompt", "prompt")
REVISION_KEYS = ("revision", "edit_request", "revision_request", "revision_prompt")
TEXT_KEYS = ("principle", "statement", "text", "comparison")
LIST_KEYS = ("constitutions", "constitution", "principles", "rules")
FORMATS = """\
expected one of
  a JSON list of critique and revision pairs: [{"critique": "…", "revision": "…"}, …], or an object that holds one
  a list of comparison principles: JSON texts ["…", "…"], or plain text with one principle a line"""
WRAPPING = re.compile(r"^\s*(?:Critique|Revision)Request:\s*|\s*(?:Critique|Revision):\s*$")
FENCED = re.compile(r"^```\s*CONSTITUTION\s*\n(.*?)^```", re.DOTALL | re.MULTILINE | re.IGNORECASE)
ITEM = re.compile(r"^\s*(?:(?P<number>\d+)\s*[.):]|(?P<bullet>[-*•]))\s+(?P<text>\S.*)$")
EMPTY = listed("""
    a about all an and answer any anything are argument as assistant be by carefully choose comment compare consider
    contained could critique did discuss do does else explain for from give has have how human identify if in include
    including is it its last like look may more most must not note of on or please point preceding provided read response
    responses revise rewrite said say should so some something sounds specific strongest such take than that the their
    there these they think this to was way ways were what whether which who will with would write you your
""")


@dataclass(frozen=True, slots=True)
class Pair:
    critique: str
    revision: str


@dataclass(frozen=True, slots=True)
class Imported:
    principles: tuple[Pair | str, ...]
    left_out: tuple[str, ...] = ()
    """What the file holds beside its principles."""


def read_list(path: Path) -> Imported:
    """Every principle of the file, word for word, in its order."""
    text = _text(path)
    if path.suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
        return _from_json(path, text)
    return _from_text(path, text)


def to_yaml(imported: Imported, name: str, origin: str) -> str:
    """A constitution file. Principles keep their words; what our format needs beside them is derived from those."""
    ids = ids_of(_words_of(item) for item in imported.principles)
    principles = [_entry(id, item) for id, item in zip(ids, imported.principles, strict=True)]
    data = {
        "name": name,
        "version": "1.0.0",
        "description": f"Imported from {origin}.",
        "mode": "draw",
        "tiers": [{"id": "imported", "force": "strong", "principles": principles}],
    }
    body: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=110)
    return f"{MODELINE}{HEAD}{body}"


HEAD = """\
# Mode draw takes one principle at random for each revision and each comparison, as these lists were made to be used.
# Next: `constitutional principles lint` says what to reword, and examples make each principle testable.
"""


def ids_of(texts: Iterable[str]) -> list[str]:
    """An id made of the words that say most; it stays what it is when principles are added after it."""
    taken: set[str] = set()
    return [_fresh_id(text, taken) for text in texts]


def _fresh_id(text: str, taken: set[str]) -> str:
    found = (word for word in re.findall(r"([a-z0-9]+)(?:['’][a-z]+)?", text.lower()) if word not in EMPTY)
    words = list(dict.fromkeys(found))
    full = words or [f"p{sha256(text.encode()).hexdigest()[:8]}"]
    longer = ("-".join(full[:length]) for length in range(min(4, len(full)), len(full) + 1))
    numbered = (f"{'-'.join(full[:4])}-{number}" for number in range(2, len(taken) + 3))
    fresh = next(id for id in (*longer, *numbered) if id not in taken)
    taken.add(fresh)
    return fresh


def _words_of(item: Pair | str) -> str:
    return item if isinstance(item, str) else item.critique


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if not text.strip():
        raise ConfigError(f"{path}: empty; {FORMATS}")
    return text


def _from_json(path: Path, text: str) -> Imported:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}; {FORMATS}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; {FORMATS}") from error
    items, left_out = _items(data)
    if not items:
        raise ConfigError(f"{path}: no principles found; {FORMATS}")
    found: list[Pair | str] = []
    for where, item in items:
        principles = _principles(item)
        if not principles:
            raise ConfigError(f"{path}: {where}: neither a text nor a critique with its revision; {FORMATS}")
        found += principles
    return Imported(tuple(found), left_out)


def _items(data: Any) -> tuple[list[tuple[str, Any]], tuple[str, ...]]:
    """The entries with their place, and the keys of the file that hold no principles."""
    if isinstance(data, list):
        return [(f"entry {number}", item) for number, item in enumerate(data, 1)], ()
    if not isinstance(data, dict):
        return [], ()
    key = next((key for key in LIST_KEYS if isinstance(data.get(key), list | dict)), None)
    if key is not None:
        items, _ = _items(data[key])
        return items, tuple(name for name in data if name != key)
    return [(f"key {name!r}", item) for name, item in data.items()], ()


def _principles(item: Any) -> list[Pair | str]:
    """Usually one; a list of critique requests that share a revision request gives one pair each."""
    if isinstance(item, str):
        return [item.strip()] if item.strip() else []
    if not isinstance(item, dict):
        return []
    revision = _first(item, REVISION_KEYS)
    if isinstance(revision, str) and revision.strip():
        critique = _first(item, CRITIQUE_KEYS)
        critiques = critique if isinstance(critique, list) else [critique]
        if critiques and all(isinstance(text, str) and text.strip() for text in critiques):
            return [Pair(_unwrapped(text), _unwrapped(revision)) for text in critiques]
        return []
    text = _first(item, TEXT_KEYS)
    return [text.strip()] if isinstance(text, str) and text.strip() else []


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if item.get(key)), None)


def _unwrapped(request: str) -> str:
    """Without the names of the parts of a few-shot prompt, which some files keep around each request."""
    return WRAPPING.sub("", request).strip()


def _from_text(path: Path, text: str) -> Imported:
    fenced = FENCED.search(text)
    lines = (fenced.group(1) if fenced else text).splitlines()
    marked = [found for line in lines if (found := ITEM.match(line))]
    kind = "number" if sum(found["number"] is not None for found in marked) > 1 else "bullet"
    if sum(found[kind] is not None for found in marked) > 1 or fenced:
        return Imported(tuple(_marked(lines, kind)), ("the text around the list",) if fenced else ())
    plain = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if path.suffix in (".yaml", ".yml"):
        raise ConfigError(f"{path}: this is YAML; {FORMATS}")
    if not plain:
        raise ConfigError(f"{path}: no principles found; {FORMATS}")
    return Imported(tuple(plain))


def _marked(lines: list[str], kind: str) -> list[str]:
    """The items of a list, each with the lines that go on below it; an empty line ends an item."""
    items: list[str] = []
    open_item = False
    for line in lines:
        found = ITEM.match(line)
        if found and found[kind] is not None:
            items.append(found["text"].strip())
            open_item = True
        elif open_item and line.strip():
            items[-1] = f"{items[-1]} {line.strip()}"
        else:
            open_item = False
    return items


def _entry(id: str, item: Pair | str) -> dict[str, str]:
    if isinstance(item, str):
        return {"id": id, "statement": item}
    statement = f"The answer already is what this request would make of it: {item.revision}"
    return {"id": id, "statement": statement, "critique": item.critique, "revision": item.revision}
