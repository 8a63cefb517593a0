"""A complete package to start from, one per kind: its sources are data in ``files/``, filled in with ``<< name >>``."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from pathlib import Path

import jinja2

from constitutional.config.schema import SCHEMA
from constitutional.errors import UsageError
from constitutional.plugins import KINDS, TITLES, PluginHost
from constitutional.principles.starter import starter
from constitutional.resources import data_folder
from constitutional.whole import writing

FILES = Path(__file__).parent / "files"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40
ABOUT = {
    "judge": "A judge: which of two answers follows a principle better, asked in both orders with a template of its own.",
    "critic": "A critic: does an answer violate a principle, and in what? With templates of its own.",
    "reviser": "A reviser: writes an answer again so that it upholds a principle, with a template of its own.",
    "scorer": "A scorer: how well an answer upholds a principle, as an expected grade.",
    "pairing": "A strategy: the best of the answers against the one in the middle.",
    "filter": "A filter: drops pairs in which an answer holds too many links.",
    "model": "A model provider: speaks to a server that takes a dialogue as JSON.",
    "constitution": "A constitution, offered under a name.",
}
EXAMPLE = {
    "judge": "judge: {}",
    "critic": "critic: {}",
    "reviser": "reviser: {}",
    "scorer": "scorer: {}",
    "pairing": "strategy: {}",
    "filter": "filters: [{}]",
    "model": "models:\n  policy: {{name: '{}:MODEL', base_url: 'http://localhost:8000'}}",
    "constitution": "constitution: {}",
}


def write_package(name: str, kind: str, folder: Path) -> list[Path]:
    """The files that were written, in a folder that was not there or was empty."""
    files = package(name, kind)
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} exists: give another name, or another folder with --out")
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        if kind == "constitution":
            shutil.copyfile(data_folder("constitutions") / SCHEMA, folder / module_of(name) / SCHEMA)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def package(name: str, kind: str) -> dict[str, str]:
    """Path in the package → text."""
    _check(name, kind)
    module = module_of(name)
    files = {f"{module}/py.typed": ""}
    for source, target in (
        ("pyproject.toml", "pyproject.toml"),
        ("README.md", "README.md"),
        ("gitignore", ".gitignore"),
        (f"{kind}/module.py", f"{module}/__init__.py"),
        (f"{kind}/test.py", f"tests/test_{module}.py"),
    ):
        files[target] = _filled(source, name, kind)
    for template in sorted((FILES / kind).glob("*.jinja")):
        if not template.name.endswith(".py.jinja"):
            files[f"{module}/{template.name}"] = template.read_text(encoding="utf-8")
    if kind == "constitution":
        files[f"{module}/constitution.yaml"] = starter(name, f"{module}/constitution.yaml")
    return files


def module_of(name: str) -> str:
    return name.replace("-", "_")


def _filled(source: str, name: str, kind: str) -> str:
    from constitutional import __version__

    environment = jinja2.Environment(
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    text = (FILES / f"{source}.jinja").read_text(encoding="utf-8")
    return environment.from_string(text).render(
        name=name,
        module=module_of(name),
        kind=kind,
        title=f"A {TITLES.get(kind, kind)}",
        about=ABOUT[kind],
        example=EXAMPLE[kind].format(name),
        toolkit=__version__,
    )


def _check(name: str, kind: str) -> None:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of plugin: {', '.join(KINDS)}")
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(
            f"{name!r} is no name for a package: small letters, digits and single '-', the first a letter, "
            f"at most {LONGEST} characters"
        )
    module = module_of(name)
    taken = {"constitutional", "tests", "pydantic", "pytest"}
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in taken:
        raise UsageError(f"{name!r}: a module of this name is there already: choose another, such as {name}-{kind}")
    if name in PluginHost(installed=False).names(kind):
        raise UsageError(f"{kind} {name!r} ships with the toolkit: choose another name, such as my-{name}")
