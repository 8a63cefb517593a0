"""A YAML file with the place of every key, so that an error can point at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from constitutional.errors import ConfigError, near_matches

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The data of a YAML file and where each key stands: ``places[("tiers", 0, "id")]`` is (line, column)."""

    path: str
    data: Any
    places: dict[Loc, tuple[int, int]]

    @classmethod
    def read(cls, path: Path) -> Source:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ConfigError(f"{path}: no such file") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, path: str) -> Source:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            data = yaml.safe_load(text)
            places: dict[Loc, tuple[int, int]] = {}
            if root is not None:
                _collect(root, (), places, path)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
            raise ConfigError(f"{where}: not valid YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
        except RecursionError as error:
            raise ConfigError(f"{path}: nested too deeply") from error
        return cls(path, data, places)

    def where(self, loc: Sequence[str | int]) -> str:
        """``file:line:column`` of a key, or of the nearest thing that contains it."""
        line, column = self.place(loc)
        return f"{self.path}:{line}:{column}"

    def place(self, loc: Sequence[str | int]) -> tuple[int, int]:
        at = tuple(loc)
        while at not in self.places and at:
            at = at[:-1]
        return self.places.get(at, (1, 1))

    def validate(self, model: type[M]) -> M:
        """The file as a model; all its errors at once, in the order of the file."""
        if not isinstance(self.data, dict):
            kind = "empty" if self.data is None else f"a {type(self.data).__name__}"
            raise ConfigError(f"{self.path}:1:1: expected a mapping of keys, this is {kind}")
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            lines = sorted((self.place(self._loc_of(item)), self._explain(model, item)) for item in error.errors())
            raise ConfigError("\n".join(dict.fromkeys(text for _, text in lines))) from error

    def _loc_of(self, item: Any) -> Loc:
        """Where an error stands; one about several keys together names the key it is about in its message."""
        named: Loc = tuple(item["msg"].removeprefix("Value error, ").partition(": ")[0].split("."))
        return self._real(item["loc"]) if item["loc"] or named not in self.places else named

    def _real(self, loc: Loc) -> Loc:
        """A pydantic location without the names of union branches, which are in no file."""
        real: Loc = ()
        for part in loc:
            if (*real, part) in self.places:
                real = (*real, part)
        missing = loc[-1] if loc and loc[-1] not in real else None
        return (*real, missing) if missing is not None and isinstance(missing, str) else real

    def _explain(self, model: type[BaseModel], item: Any) -> str:
        loc = self._loc_of(item)
        key = ".".join(str(part) for part in loc)
        message = item["msg"].removeprefix("Value error, ").removeprefix(f"{key}: ")
        if item["type"] == "extra_forbidden":
            message = "unknown key" + near_matches(str(item["loc"][-1]), _keys_at(model, item["loc"][:-1]))
        elif item["type"] == "missing":
            message = "this key is required"
        else:
            message = message[0].lower() + message[1:]
        return f"{self.where(loc)}: {key}: {message}" if key else f"{self.where(loc)}: {message}"


def _collect(node: yaml.Node, loc: Loc, places: dict[Loc, tuple[int, int]], path: str) -> None:
    places.setdefault(loc, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*loc, str(key.value))
            if at in places:
                raise ConfigError(
                    f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}: {key.value}: this key is here twice"
                )
            places[at] = (key.start_mark.line + 1, key.start_mark.column + 1)
            _collect(value, at, places, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _collect(item, (*loc, index), places, path)


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
