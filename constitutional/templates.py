"""Templates: shared text first, principle last, filled in one pass in a sandbox.

A *template* is a file in ``prompts/``; a *prompt* is a user's message. Text that is filled in is never a template
itself: an answer that contains ``{{ x }}`` stays as it is. ``{{ shared }}`` marks where the text that a group of calls
has in common ends, so that prompt caches can be told; it prints nothing.
"""

from __future__ import annotations

import copy
import secrets
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from constitutional.core.constitution import Principle
from constitutional.core.digest import digest
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Message
from constitutional.errors import TemplateError, UnknownNameError, near_matches
from constitutional.resources import data_folder, shipped_names

SAMPLES: dict[str, Any] = {
    "messages": (Message("user", "A question?"), Message("assistant", "An answer."), Message("user", "Another?")),
    "response": "An answer.",
    "a": "An answer.",
    "b": "Another answer.",
    "critique": "What is wrong with it.",
    "principle": Principle("sample", "A rule.", "", "", ""),
    "dimensions": {"accuracy": "is correct"},
    "points": 10,
}
"""What the built-in roles fill in."""
_SHARED = f"\x00{secrets.token_hex(8)}\x00"


class Template:
    """One template with the variables that its role provides."""

    def __init__(self, name: str, compiled: jinja2.Template) -> None:
        self.name = name
        self._compiled = compiled

    def render(self, **values: object) -> str:
        """The filled-in text, without its shared mark."""
        return self.request(Sampling(), **values).messages[-1].content

    def request(self, sampling: Sampling, **values: object) -> ChatRequest:
        """A request with the filled-in text as its one user message."""
        try:
            text = self._compiled.render(shared=_SHARED, **values)
        except jinja2.TemplateError as error:
            raise TemplateError(f"template {self.name}: {error.message}") from error
        except (TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise TemplateError(f"template {self.name}: cannot be filled in: {error}") from error
        shared, mark, last = text.partition(_SHARED)
        content = (shared + last.replace(_SHARED, "")).strip()
        length = min(len(shared.lstrip()), len(content)) if mark else 0
        return ChatRequest((Message("user", content),), sampling, shared=length)


class Templates:
    """Finds, checks and compiles templates; remembers the digest of each one used."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` is where relative paths of a run file start from."""
        self._base = (folder or Path.cwd()).resolve()
        self._environment = ImmutableSandboxedEnvironment(
            loader=jinja2.FileSystemLoader([self._base, data_folder("prompts")]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            auto_reload=False,
        )
        self.digests: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        """What each of them says, under the same names."""
        self._above: Templates | None = None

    def part(self) -> Templates:
        """The same, for one plugin: its ``digests`` are those of the templates that it used, and are noted here too."""
        part = copy.copy(self)
        part.digests, part.texts, part._above = {}, {}, self
        return part

    def get(self, name: str, variables: frozenset[str]) -> Template:
        """``name`` is a shipped name (``judge/pairwise``) or a path; ``variables`` is what will be filled in.
        A variable that is not among them is an error now, with its line, and not after the first paid call."""
        path = self._find(name)
        compiled = self._compile(path, name)
        for source_path, source in self._sources(path, ()):
            self._check_variables(source_path, source, variables | {"shared"})
            self._note(source_path, source)
        if variables <= SAMPLES.keys():
            self._try(path, compiled, variables)
        return Template(name, compiled)

    def _try(self, path: Path, compiled: jinja2.Template, variables: frozenset[str]) -> None:
        """Fill it in once with made-up values: ``principle.statment`` is found now, not after the first paid call."""
        try:
            compiled.render(shared="", **{name: SAMPLES[name] for name in variables})
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"
            ]
            said = error.message if isinstance(error, jinja2.TemplateError) else f"cannot be filled in: {error}"
            raise TemplateError(f"{path}:{lines[-1] if lines else 1}: {said}") from error

    def _note(self, path: Path, source: str) -> None:
        """Under a name without the machine's folders, as it travels with the dataset; two files never share one."""
        value = digest(source)
        folders = (data_folder("prompts"), self._base)
        label = next((path.relative_to(f).as_posix() for f in folders if path.is_relative_to(f)), path.name)
        while self.digests.get(label, value) != value:
            label += "+"
        self.digests[label] = value
        self.texts[label] = source
        if self._above is not None:
            self._above._note(path, source)

    def _find(self, name: str) -> Path:
        shipped = data_folder("prompts") / f"{name}.jinja"
        if shipped.is_file():
            return shipped
        path = self._base / name
        if path.is_file():
            return path
        known = shipped_names("prompts", ".jinja")
        raise UnknownNameError(f"no template {name!r}: neither a file nor a shipped name{near_matches(name, known)}")

    def _compile(self, path: Path, name: str) -> jinja2.Template:
        try:
            return self._environment.from_string(_read(path))
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{path}:{error.lineno}: {error.message}") from error
        except jinja2.TemplateError as error:
            raise TemplateError(f"template {name}: {error.message}") from error

    def _parse(self, path: Path, source: str) -> nodes.Template:
        try:
            return self._environment.parse(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{path}:{error.lineno}: {error.message}") from error

    def _sources(self, path: Path, within: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
        """The template and everything that it includes."""
        if path in within:
            raise TemplateError(f"{path}: includes itself")
        source = _read(path)
        yield path, source
        for included in meta.find_referenced_templates(self._parse(path, source)):
            if included is None:
                raise TemplateError(f"{path}: the name of an include must be written out")
            found = next((f / included for f in (self._base, data_folder("prompts")) if (f / included).is_file()), None)
            if found is None or ".." in Path(included).parts:
                raise TemplateError(f"{path}: includes {included!r}, which does not exist")
            yield from self._sources(found, (*within, path))

    def _check_variables(self, path: Path, source: str, variables: frozenset[str]) -> None:
        tree = self._parse(path, source)
        unknown = meta.find_undeclared_variables(tree) - variables
        used = [(name.lineno, name.name) for name in tree.find_all(nodes.Name) if name.name in unknown]
        if used:
            line, name = min(used)
            raise TemplateError(f"{path}:{line}: unknown variable {name!r}{near_matches(name, variables)}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise TemplateError(f"{path}: {error.strerror}") from error
