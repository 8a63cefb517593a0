"""A YAML file with the place of every key, so that an error can point at it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from constitutional.config.yaml_advice import LINE_END, advice
from constitutional.errors import ConfigError, near_matches

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]
Problem = tuple[Loc, str]
"""What is wrong, and the key that it is wrong about."""

MOST_PLACES = 200_000
"""A few lines of nested aliases can stand for billions of values."""
EXPECTED = {
    "string_type": "text",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "invalid-json-value": "a plain value",
}


class _Loader(yaml.SafeLoader):
    """PyYAML lets a scalar that is not what it looks like (the date 2024-13-01) out without its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError) as error:
            kind = str(node.tag).rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"this looks like {kind!r} and is none: put it in quotes if it is text", node.start_mark
            ) from error


@dataclass(frozen=True, slots=True)
class Source:
    """The data of a YAML file and where each key stands: ``places[("tiers", 0, "id")]`` is (line, column)."""

    path: str
    data: Any
    places: dict[Loc, tuple[int, int]]
    repeated: tuple[Problem, ...] = ()
    """Keys that are here twice, found while reading."""
    text: str = ""

    @classmethod
    def read(cls, path: Path) -> Source:
        try:
            return cls.parse(path.read_bytes().decode("utf-8"), str(path))
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: no such file") from error
        except UnicodeDecodeError as error:
            at = _end_of(error.object[: error.start].decode("utf-8"))
            raise ConfigError(f"{path}:{at}: not UTF-8 at byte {error.start}: save the file as UTF-8") from error
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error

    @classmethod
    def parse(cls, text: str, path: str) -> Source:
        try:
            loader = _Loader(text)
            root = _composed(text, loader)
            places = _Places()
            if root is not None:
                places.collect(root, ())
            data = None if root is None else loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
            raise ConfigError(f"{where}: not valid YAML: {_said(error, text)}") from error
        except yaml.reader.ReaderError as error:
            found = f"the character U+{error.character:04X} is not allowed"
            raise ConfigError(f"{path}:{_end_of(text[: error.position])}: not valid YAML: {found}") from error
        except RecursionError as error:
            raise ConfigError(f"{path}: nested too deeply") from error
        return cls(path, data, places.found, tuple(places.repeated), text)

    def where(self, loc: Sequence[str | int]) -> str:
        """``file:line:column`` of a key, or of the nearest thing that contains it."""
        line, column = self.place(loc)
        return f"{self.path}:{line}:{column}"

    def line(self, loc: Sequence[str | int]) -> str:
        """The line that a key stands in."""
        return LINE_END.split(self.text)[self.place(loc)[0] - 1]

    def place(self, loc: Sequence[str | int]) -> tuple[int, int]:
        at = tuple(loc)
        while at not in self.places and at:
            at = at[:-1]
        return self.places.get(at, (1, 1))

    def check(self, model: type[M]) -> tuple[M | None, list[Problem]]:
        """The file as a model, or all that is wrong with it."""
        if not isinstance(self.data, dict):
            return None, [((), f"expected a mapping of keys, this is {kind_of(self.data)}")]
        try:
            found, problems = model.model_validate(self.data), list(self.repeated)
        except ValidationError as error:
            found = None
            problems = [*self.repeated, *((self._loc_of(item), self._explain(model, item)) for item in error.errors())]
        return (None if problems else found), problems

    def lines(self, problems: Iterable[Problem]) -> list[str]:
        """``file:line:column: key: what``, each once, in the order of the file."""
        placed = sorted((self.place(loc), self._line(loc, text)) for loc, text in problems)
        return list(dict.fromkeys(line for _, line in placed))

    def validate(self, model: type[M]) -> M:
        """The file as a model; all its errors at once, in the order of the file."""
        found, problems = self.check(model)
        if found is None:
            raise ConfigError("\n".join(self.lines(problems)))
        return found

    def _line(self, loc: Loc, text: str) -> str:
        key = ".".join(str(part) for part in loc)
        return f"{self.where(loc)}: {key}: {text}" if key else f"{self.where(loc)}: {text}"

    def _loc_of(self, item: Any) -> Loc:
        """Where an error stands; one about several keys together names the key it is about in its message."""
        named: Loc = tuple(item["msg"].removeprefix("Value error, ").partition(": ")[0].split("."))
        return self._real(item["loc"]) if item["loc"] or named not in self.places else named

    def _real(self, loc: Loc) -> Loc:
        """A pydantic location without the names of union branches, which are in no file."""
        real: Loc = ()
        last: str | int | None = None
        for part in loc:
            known = next((key for key in (part, str(part)) if (*real, key) in self.places), None)
            real, last = (real, part) if known is None else ((*real, known), None)
        return (*real, last) if isinstance(last, str) and last != "[key]" else real

    def _explain(self, model: type[BaseModel], item: Any) -> str:
        kind, key = item["type"], ".".join(str(part) for part in self._loc_of(item))
        if kind == "extra_forbidden":
            if item["input"] is None and " " in str(item["loc"][-1]):
                return "unknown key: inside { } a text with a comma in it has to stand in quotes"
            return "unknown key" + near_matches(str(item["loc"][-1]), _keys_at(model, item["loc"][:-1]))
        if kind == "missing":
            return "this key is required"
        if kind == "too_short" and not item["input"]:
            return f"this {'list' if isinstance(item['input'], list) else 'mapping'} is empty"
        if kind == "invalid_key" or item["loc"][-1:] == ("[key]",):
            return "a key is text: put it in quotes"
        if kind in EXPECTED:
            return f"expected {EXPECTED[kind]}, this is {kind_of(item['input'])}{_hint(kind, item['input'])}"
        message: str = item["msg"].removeprefix("Value error, ").removeprefix(f"{key}: ")
        return message[0].lower() + message[1:]


def _composed(text: str, loader: _Loader) -> yaml.Node | None:
    """By libyaml where PyYAML was built with it, in a tenth of the time. What that refuses is read again by Python, which
    says better what is wrong and whose words ``advice`` knows."""
    if yaml.__with_libyaml__:
        try:
            found: yaml.Node | None = yaml.CSafeLoader(text).get_single_node()
        except yaml.YAMLError:
            pass
        else:
            return found
    return loader.get_single_node()


def kind_of(value: Any) -> str:
    """What a value from a YAML file is, in words."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    kinds = {int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _hint(kind: str, value: Any) -> str:
    if kind == "list_type" and isinstance(value, str):
        return f": write [{value}]" if len(value) <= 40 else ": put it in [ ]"
    scalar = value is not None and not isinstance(value, list | dict)
    return ": put it in quotes" if kind in ("string_type", "invalid-json-value") and scalar else ""


def _end_of(text: str) -> str:
    """``line:column`` of what comes after it."""
    return f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}"


def _said(error: yaml.MarkedYAMLError, text: str) -> str:
    """What the parser found, and what to do about it."""
    problem, to_do = str(error.problem), advice(error, text)
    if problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    elif problem == "found unexpected end of stream" and error.context_mark is not None:
        problem = f"{problem} {error.context} from line {error.context_mark.line + 1}"
    return f"{problem}: {to_do}" if to_do else problem


class _Places:
    """Where each key of a document stands."""

    def __init__(self) -> None:
        self.found: dict[Loc, tuple[int, int]] = {}
        self.repeated: list[Problem] = []

    def collect(self, node: yaml.Node, loc: Loc) -> None:
        if len(self.found) > MOST_PLACES:
            problem = "aliases of aliases of this stand for too many values"
            raise yaml.MarkedYAMLError(None, None, problem, node.start_mark)
        if isinstance(node, yaml.MappingNode):
            here = set()
            for key, value in node.value:
                at = (*loc, str(key.value))
                self.found[at] = (key.start_mark.line + 1, key.start_mark.column + 1)
                if at in here:
                    self.repeated.append((at, "this key is here twice"))
                here.add(at)
                self.collect(value, at)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.found[(*loc, index)] = (item.start_mark.line + 1, item.start_mark.column + 1)
                self.collect(item, (*loc, index))


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that the model at this location knows."""
    kinds: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, str):
            inner = [kind.model_fields[part].annotation for kind in kinds if part in kind.model_fields]
            if inner:
                kinds = [found for annotation in inner for found in _models_in(annotation)] or kinds
    return sorted({name for kind in kinds for name in kind.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]
