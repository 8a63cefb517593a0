"""The constitution file: YAML to ``core.constitution.Constitution``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from constitutional.config.extend import Layer, flat
from constitutional.config.ids import id_problems, texts
from constitutional.config.schema import ConstitutionFile
from constitutional.config.source import Source
from constitutional.core.constitution import Constitution, PluginUse, Principle
from constitutional.core.digest import digest
from constitutional.errors import ConfigError, ConstitutionalError, UnknownNameError, near_matches
from constitutional.resources import data_folder, shipped_names

Provided = Mapping[str, Callable[[], Path]]
"""Names of constitutions that plugins offer, and what says where their files are."""


def find_constitution(name: str, base: Path, provided: Provided | None = None) -> Path:
    """A path, the name of a shipped constitution, or a name that a plugin offers."""
    path, _ = _find(name, base, provided or {})
    return path


def load_constitution(path: Path, provided: Provided | None = None) -> Constitution:
    """The constitution of a file, with all that it extends. Everything that is wrong is said at once, file by file."""
    reader = _Reader(path.parent, provided or {})
    layer = reader.read(path, reader.origin(path), {})
    if layer is None:
        raise ConfigError("\n".join(reader.faults))
    return flat([layer]).finished(layer)


def constitution_digest(constitution: Constitution) -> str:
    """Names what the constitution means: two files with the same rules have the same digest. What has its default is
    left out, so that a feature which is new does not rename a constitution without it."""
    value: list[Any] = [
        [[t.id, t.force, t.tolerance, [_principle_value(p) for p in t.principles]] for t in constitution.tiers],
        {tag: dict(factors) for tag, factors in constitution.contexts.items()},
    ]
    if (constitution.mode, constitution.on_unresolved) != ("tiered", "reject"):
        value.append([constitution.mode, constitution.on_unresolved])
    return digest(value)


def _principle_value(principle: Principle) -> list[Any]:
    value = [
        principle.id, principle.statement, principle.critique, principle.revision, principle.prefer,
        principle.weight, sorted(principle.tags), sorted(principle.unless),
    ]  # fmt: skip
    if principle.judge or principle.critic:
        value += [_use_value(principle.judge), _use_value(principle.critic)]
    return value


def _use_value(use: PluginUse | None) -> Any:
    return None if use is None else [use.plugin, dict(use.options)]


class _Reader:
    """Reads a file and what it extends, each once, and collects what is wrong with any of them."""

    def __init__(self, folder: Path, provided: Provided) -> None:
        self.faults: list[str] = []
        self._folder = folder.resolve()
        self._provided = provided
        self._read: dict[Path, Layer | None] = {}

    def origin(self, path: Path) -> str:
        """What a file is called, without the machine's folders."""
        path, shipped = path.resolve(), data_folder("constitutions").resolve()
        if path.is_relative_to(shipped):
            return path.relative_to(shipped).as_posix().removesuffix(".yaml")
        return path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else path.name

    def read(self, path: Path, origin: str, chain: dict[Path, str]) -> Layer | None:
        """None where something is wrong: ``faults`` says what, the extending file's first."""
        try:
            source = Source.read(path)
        except ConfigError as error:
            self.faults.append(str(error))
            return None
        slot = len(self.faults)
        file, problems = source.check(ConstitutionFile)
        parents: list[Layer | None] = []
        data = source.data if isinstance(source.data, dict) else {}
        for loc, name in texts(data, "extends"):
            parent = self._parent(name, path, {**chain, path.resolve(): origin})
            parents.append(None if isinstance(parent, str) else parent)
            if isinstance(parent, str):
                problems.append((loc, parent))
        whole = tuple(parent for parent in parents if parent is not None)
        left = flat(whole)
        before = left.known
        left.drop([name for _, name in texts(data, "drop")])
        if data:
            readable = len(whole) == len(_items(data.get("extends")))
            ids = id_problems(data, before, left.known) if readable else id_problems(data, None, None)
            better = {loc for loc, _ in ids}
            problems = [problem for problem in problems if problem[0] not in better] + ids
        layer = None if file is None or problems or None in parents else Layer(source, file, origin, whole, left)
        if layer is not None and not any(tier.principles for tier in flat([layer]).tiers):
            layer, problems = None, [(("drop",), "nothing is left")]
        self.faults[slot:slot] = source.lines(problems)
        return layer

    def _parent(self, name: str, child: Path, chain: dict[Path, str]) -> Layer | str | None:
        """A file that is extended, or what is wrong with naming it; None where it is itself at fault."""
        try:
            path, offered = _find(name, child.parent, self._provided)
            at, origin = path.resolve(), name if offered else self.origin(path)
            if at in chain:
                return f"goes round in a circle: {' → '.join([*list(chain.values())[list(chain).index(at) :], origin])}"
            if at not in self._read:
                self._read[at] = None
                self._read[at] = self.read(path, origin, chain)
            return self._read[at]
        except ConstitutionalError as error:
            return str(error)


def _items(value: Any) -> list[Any]:
    """``extends`` as a list, also where it is none: then nothing can be said of the ids in it."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _find(name: str, base: Path, provided: Provided) -> tuple[Path, bool]:
    """Where it is, and whether a plugin offers it."""
    for path in (base / name, data_folder("constitutions") / f"{name}.yaml"):
        if _is_file(path):
            return path, False
    if name in provided:
        path = provided[name]()
        if not _is_file(path):
            raise UnknownNameError(f"constitution {name!r}: the plugin that offers it says {path}, which is no file")
        return path, True
    known = {*shipped_names("constitutions", ".yaml"), *provided, *_beside(name, base)}
    raise UnknownNameError(f"no constitution {name!r}: neither a file nor a shipped name{near_matches(name, known)}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _beside(name: str, folder: Path) -> list[str]:
    """The files that may have been meant."""
    inside = Path(name).parent
    try:
        stems = {path.stem: (inside / path.name).as_posix() for path in (folder / inside).glob("*.yaml")}
    except (OSError, ValueError):
        return []
    return [stems[stem] for stem in difflib.get_close_matches(Path(name).stem, stems)]
