"""What an evaluation is of: a finished run, a run to come, or what the flags say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from constitutional.config.run import ModelConfig, PartConfig, RunConfig, read_run
from constitutional.core.constitution import Constitution
from constitutional.errors import ConfigError, UsageError
from constitutional.evaluation.contenders import split_name
from constitutional.evaluation.settings import EvaluateSettings, model_entry
from constitutional.ledger import RunFolder
from constitutional.pipeline.opened import open_run

OUT = "evaluation"
PLAIN = (
    "system", "temperature", "max_tokens", "seed", "limit", "reference_text", "gate", "concurrency",
    "max_calls", "max_cost", "max_failure_rate", "responses",
)  # fmt: skip


class Source(NamedTuple):
    settings: EvaluateSettings
    constitution: Constitution | None
    """That of the run, as it was when the run was made."""


def resolve(run: Path | None, flags: dict[str, Any]) -> Source:
    """flag > run > default."""
    config, base, constitution = RunConfig(), Path.cwd(), None
    if run is not None and run.is_dir():
        config, base, constitution = _of_folder(run)
    elif run is not None:
        config, base = read_run(run), run.resolve().parent
    models = _roles(config, flags)
    given: dict[str, Any] = {name: flags[name] for name in PLAIN if flags[name] is not None}
    for name in ("benign", "harmful"):
        if flags[name]:
            given[name] = flags[name]
    for role in ("critic", "judge"):
        named = flags[role]
        if named is not None and ":" not in named:
            given[role] = PartConfig(plugin=named)
    if flags["constitution"] is not None:
        constitution, given["constitution"] = None, _here(flags["constitution"])
    given |= _contenders(config, flags, run, base)
    given["scorers"] = tuple(_scorer(text) for text in flags["scorer"])
    if flags["prompts"] is None:
        raise UsageError("no prompts: give held-out ones with --prompts FILE; those of a run are what was trained on")
    given["prompts"] = _here(flags["prompts"])
    out = RunFolder(Path.cwd() / (flags["out"] or _out(run)))
    given["out"] = str((out.fresh() if flags["fresh"] else out).path)
    given["models"] = models
    given["where"] = base
    if run is not None and run.is_dir():
        given["trained_on"] = str(run.resolve())
    if given.get("reference_text") is not None:
        given["reference_text"] = _here(given["reference_text"])
    return Source(EvaluateSettings.of_run(config, **given), constitution)


def _of_folder(path: Path) -> tuple[RunConfig, Path, Constitution]:
    folder = RunFolder(path)
    with open_run(path) as run:
        constitution = run.constitution
        config, base = (read_run(folder.config), path) if folder.config.is_file() else (run.config, Path.cwd())
    return config, base.resolve(), constitution


def _roles(config: RunConfig, flags: dict[str, Any]) -> dict[str, ModelConfig]:
    """Who plays critic, judge and scorer."""
    models = dict(config.models)
    if flags["model"] is not None:
        models["policy"] = _entry(flags["model"], "--model", flags)
    for role in ("judge", "critic"):
        named = flags[role]
        if named is not None and ":" in named:
            models[role] = _entry(named, f"--{role}", flags)
    return models


def _contenders(config: RunConfig, flags: dict[str, Any], run: Path | None, base: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    own = config.models.get("policy") if run is not None else None
    if flags["base"] is None and own is None:
        raise UsageError("no model to compare with: give --base PROVIDER:NAME or a model folder")
    found["base"] = own if flags["base"] is None else _entry(flags["base"], "--base", flags, own)
    if flags["tuned"] is None:
        raise UsageError("no model to evaluate: give --tuned PROVIDER:NAME or a model folder")
    found["tuned"] = _entry(flags["tuned"], "--tuned", flags, own)
    given = [split_name(text) for text in flags["more"]]
    found["more"] = tuple((name, _entry(model, "--more", flags, own)) for name, model in given)
    return found


def _entry(named: str, role: str, flags: dict[str, Any], like: ModelConfig | None = None) -> ModelConfig:
    """``like`` is the run's policy: how it was sampled is how the others are."""
    from constitutional.cli.resolve import price

    entry = model_entry(named, Path.cwd(), role)
    more: dict[str, Any] = {}
    if like is not None:
        more |= {name: value for name, value in (
            ("temperature", like.temperature), ("top_p", like.top_p), ("max_tokens", like.max_tokens),
            ("stop", like.stop),
        ) if value}  # fmt: skip
    if flags["base_url"] is not None:
        more["base_url"] = flags["base_url"]
    if flags["price"] is not None:
        more["prices"] = price(flags["price"])
    return ModelConfig.model_validate(entry.model_dump() | more)


def _scorer(text: str) -> PartConfig:
    """A plugin's name; or a part as in a run file, as YAML in line or in a file."""
    path = Path(text)
    try:
        if path.suffix in (".yaml", ".yml", ".json"):
            value = yaml.safe_load(path.read_text("utf-8"))
        else:
            value = yaml.safe_load(text) if text.lstrip().startswith("{") else text
        return PartConfig.model_validate({"plugin": value} if isinstance(value, str) else value)
    except OSError as error:
        raise UsageError(f"--scorer {text}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--scorer {text}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "a plugin's name or `{plugin: …, options: …}`"
        raise ConfigError(f"--scorer {text}: {place}: {first['msg']}") from error


def _here(name: str) -> str:
    """A path on the command line starts from where the command is run."""
    return str(Path.cwd() / name) if name != "-" and Path(name.partition("#")[0]).exists() else name


def _out(run: Path | None) -> str:
    return OUT if run is None else str(run.with_name(f"{run.stem}-{OUT}"))
