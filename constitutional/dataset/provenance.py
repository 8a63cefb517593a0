"""What a dataset says of the runs that made it, and the files that travel with it: constitution, templates, settings and
judge card of each run. No key, no address and no path of the machine is in any of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from constitutional.config.constitution import constitution_digest
from constitutional.config.judge_card import JudgeCard, card_from
from constitutional.config.run import ROLES, RunConfig
from constitutional.config.written import constitution_file
from constitutional.core.codec import from_json
from constitutional.core.constitution import Constitution
from constitutional.core.digest import digest
from constitutional.dataset.scrub import public, scrubber
from constitutional.ledger import LedgerView
from constitutional.ledger.labels import said_beside
from constitutional.resources import shipped_names

METAS = (
    "plan", "config", "constitution", "templates", "template_texts", "models", "judge_card", "status", "human_labels",
)  # fmt: skip
"""What the ledger holds of a run besides its rows."""
OF_THE_MACHINE = {"out", "concurrency", "batch", "engine", "ray", "max_cost", "max_calls", "max_failure_rate"}
OF_A_CONNECTION = {"batch", "base_url", "api_key_env", "timeout", "concurrency", "prices"}
RUN_NAME = 12
OF_A_RUN = 1 << 40
"""In a merged ledger the rows of each run stand at its multiple of this."""


@dataclass(frozen=True)
class Origin:
    """One run, as its ledger knows it."""

    meta: Mapping[str, str]
    merged: int | None = None
    """Its place among the runs of a merged one."""
    folder: str = "provenance"
    known: tuple[str, ...] = field(default=(), repr=False)
    """Folders of this machine."""

    @cached_property
    def plan(self) -> str:
        return self.meta.get("plan", "")

    @property
    def name(self) -> str:
        """What stands in the column ``run``. Runs of one plan that were merged have a number behind it."""
        return self.meta.get("name") or self.plan[:RUN_NAME]

    @property
    def status(self) -> str:
        """``complete``, or how the run ended before it was."""
        return self.meta.get("status", "unknown")

    @cached_property
    def config(self) -> RunConfig:
        return RunConfig.model_validate(json.loads(self.meta["config"]))

    @cached_property
    def constitution(self) -> Constitution | None:
        saved = self.meta.get("constitution")
        return from_json(Constitution, saved) if saved else None

    @cached_property
    def templates(self) -> dict[str, str]:
        """Name → digest."""
        return _object(self.meta.get("templates"))

    @cached_property
    def template_texts(self) -> dict[str, str]:
        return _object(self.meta.get("template_texts"))

    @cached_property
    def models(self) -> dict[str, dict[str, Any]]:
        """Role → model, revision, licence."""
        saved = _object(self.meta.get("models"))
        if saved:
            return saved
        return {role: {"model": _model_name(self.config, role)} for role in ROLES}

    @property
    def model_names(self) -> dict[str, str]:
        return {role: str(about["model"]) for role, about in self.models.items()}

    @cached_property
    def card(self) -> JudgeCard | None:
        saved = self.meta.get("judge_card")
        return card_from(json.loads(saved), "the judge card of this run") if saved else None

    @cached_property
    def human(self) -> dict[str, float]:
        return _object(self.meta.get("human_labels"))

    @cached_property
    def scrub(self) -> Callable[[str], str]:
        """For messages of this run: without its addresses, keys and folders, however they are written."""
        return scrubber((*self.known, *_private_texts(self.config)))

    @cached_property
    def public_config(self) -> dict[str, Any]:
        """A run file: `constitutional generate` reads it beside the other files of its folder."""
        names = _template_names(self.config.model_dump(mode="json"), self.templates)
        config = {k: v for k, v in self.config.model_dump(mode="json").items() if k not in OF_THE_MACHINE}
        entries = config.pop("models")
        given = {**config, "prompts": None, "constitution": None, "judge_card": None}
        shown: dict[str, Any] = public(given, self.scrub, names)
        shown["prompts"] = _public_source(self.config.prompts)
        shown["constitution"] = "constitution.yaml"
        shown["judge_card"] = "judge-card.json" if self.card else None
        shown["models"] = {name: self._public_model(name, entry, names) for name, entry in entries.items()}
        return shown

    def _public_model(self, name: str, entry: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
        played = next((role for role in self.models if self.config.model_for(role) == name), None)
        known = self.models[played]["model"] if played else _bare(entry["name"])
        kept = {key: value for key, value in entry.items() if key not in OF_A_CONNECTION}
        options = public(entry["options"], self.scrub, names)
        return {**kept, "name": known, "options": options}

    @property
    def path(self) -> str:
        """The folder of its files in the dataset."""
        return f"{self.folder}/{self.name}"

    def files(self) -> Iterator[tuple[str, str]]:
        """(path in the dataset, text)."""
        yield f"{self.path}/config.yaml", yaml.safe_dump(self.public_config, sort_keys=False, allow_unicode=True)
        if self.constitution is not None:
            text = constitution_file(self.constitution, lambda options: public(options, self.scrub))
            yield f"{self.path}/constitution.yaml", text
        for name, text in sorted(self.template_texts.items()):
            yield f"{self.path}/templates/{name}", text
        if self.card is not None:
            card = public(self.card.model_dump(mode="json"), self.scrub)
            yield f"{self.path}/judge-card.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n"

    def summary(self) -> dict[str, Any]:
        """For the manifest."""
        named = None
        if self.constitution is not None:
            found = self.constitution
            named = {"name": found.name, "version": found.version, "digest": constitution_digest(found)}
        card = None
        if self.card is not None:
            card = {"digest": digest(self.card.model_dump(mode="json")), "may_label": self.card.gate.may_label}
        return {
            "plan": self.plan,
            "status": self.status,
            "config": digest(self.public_config),
            "constitution": named,
            "templates": self.templates,
            "models": self.models,
            "judge_card": card,
            "accept_bad_judge": self.config.accept_bad_judge,
        }


def origins(view: LedgerView) -> list[Origin]:
    """The run of a ledger; of a merged one all of its runs."""
    merged = view.meta("merged")
    if merged is not None:
        runs = enumerate(json.loads(merged)["runs"])
        return [Origin(_with_labels(view, meta), merged=place, known=(meta["folder"],)) for place, meta in runs]
    found = {name: view.meta(name) for name in METAS}
    known = (str(view.path.parent.absolute()),)
    meta = {name: value for name, value in found.items() if value is not None}
    return [Origin(_with_labels(view, meta), known=known)]


def _with_labels(view: LedgerView, meta: Mapping[str, str]) -> dict[str, str]:
    """And with what people have said beside the ledger."""
    said = _object(meta.get("human_labels")) | said_beside(view)
    return dict(meta) | ({"human_labels": json.dumps(said, sort_keys=True)} if said else {})


def _object(saved: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(saved) if saved else {}
    return found


def _model_name(config: RunConfig, role: str) -> str:
    entry = config.models.get(config.model_for(role))
    return _bare(entry.name) if entry else "scripted:demo"


def _bare(name: str) -> str:
    """``provider:model`` without the folders of this machine."""
    provider, colon, model = name.partition(":")
    return f"{provider}{colon}{_last(model)}" if _is_path(model) else name


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~", ".", "\\\\")) or "\\" in text or text[1:3] == ":\\" or text.count("/") > 1


def _last(text: str) -> str:
    return PureWindowsPath(text).name if "\\" in text else PurePosixPath(text).name


def _public_source(name: str | None) -> str | None:
    """A Hub id as it is; of a file only its name."""
    if name is None or name == "-":
        return name
    plain, mark, split = name.partition("#")
    is_file = bool(PurePosixPath(plain).suffix)
    return f"{_last(plain)}{mark}{split}" if _is_path(plain) or is_file else name


def _template_names(config: Any, templates: Mapping[str, str]) -> dict[str, str]:
    """What the settings call a template of the user's own → where it stands in the dataset."""
    shipped = {f"{name}.jinja" for name in shipped_names("prompts", ".jinja")}
    own = {PurePosixPath(label).name: label for label in templates if label not in shipped}
    return {text: f"templates/{own[_last(text)]}" for text in _texts(config) if text and _last(text) in own}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _private_texts(config: RunConfig) -> Iterator[str]:
    """Texts of this run's settings that stand in no message that is published."""
    for entry in config.models.values():
        if entry.base_url:
            yield entry.base_url
            yield urlsplit(entry.base_url).netloc
            yield urlsplit(entry.base_url).hostname or ""
        if entry.api_key_env:
            yield os.environ.get(entry.api_key_env, "")
        model = entry.name.partition(":")[2]
        if _is_path(model):
            yield model
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN"):
        yield os.environ.get(name, "")
