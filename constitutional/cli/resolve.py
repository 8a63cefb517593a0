"""flag > environment > run file > default: one configuration out of all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from constitutional.config.run import DEFAULT_MODEL, RunConfig
from constitutional.config.source import Source
from constitutional.errors import ConfigError

PLAIN = (
    "prompts", "constitution", "system", "responses", "rounds", "min_margin", "limit", "seed", "concurrency",
    "max_cost", "max_calls", "max_failure_rate", "out", "judge_card", "accept_bad_judge", "engine",
)  # fmt: skip
API = ("openai:", "anthropic:")
POCKET = Path(__file__).parent.parent / "pocket"
SCRIPTED_PROMPTS = POCKET / "shop.jsonl"
REAL_MODELS = "for a real model: --model vllm:NAME, openai:NAME, anthropic:NAME or transformers:NAME"


def resolve(run_file: Path | None, flags: dict[str, Any]) -> tuple[RunConfig, Path, str]:
    """The configuration, the folder its paths start from, and what stands in for a model that nobody named: for people,
    and empty where somebody did."""
    data: dict[str, Any] = {}
    base = Path.cwd()
    named = run_file
    if run_file is None and all(flags[name] is None for name in ("prompts", "constitution", "model")) and pocket_runs():
        run_file = POCKET / "run.yaml"
    if run_file is not None:
        source = Source.read(run_file)
        source.validate(RunConfig)
        data, base = dict(source.data), run_file.resolve().parent
        if isinstance(data.get("out"), str):
            data["out"] = str(_from_here(base / Path(data["out"]).expanduser()))
    models = {name: {"name": m} if isinstance(m, str) else dict(m) for name, m in data.get("models", {}).items()}
    _models_from_flags(models, flags)
    embedded = "policy" not in models
    if embedded:
        models["policy"] = {"name": DEFAULT_MODEL}
    _settings_from_flags(models, flags)
    data |= {name: flags[name] for name in PLAIN if flags[name] is not None}
    data["models"] = models
    _paths_from_flags(data, flags, base)
    if flags["replicas"] is not None:
        if data.get("engine") != "ray":
            raise ConfigError("--replicas is for --engine ray: add it, or leave the number out")
        data["ray"] = dict(data.get("ray") or {}) | {"replicas": flags["replicas"]}
    if flags["batch_max_wait"] is not None:
        if not any(entry.get("batch") for entry in models.values()):
            raise ConfigError("--batch-max-wait is for models that are asked by batches: add --batch")
        data["batch"] = dict(data.get("batch") or {}) | {"max_wait": flags["batch_max_wait"]}
    if flags["strategy"] is not None:
        data["strategy"] = {"plugin": flags["strategy"]}
    if flags["judge"] is not None and ":" not in flags["judge"]:
        data["judge"] = {"plugin": flags["judge"]}
    if data.get("prompts") is None and models["policy"]["name"] == DEFAULT_MODEL:
        data["prompts"] = str(SCRIPTED_PROMPTS)
    if data.get("prompts") is None:
        raise ConfigError("no prompts: give --prompts FILE, or `prompts:` in the run file")
    if data.get("out") is None:
        data["out"] = f"runs/{_stem(named, data, embedded or run_file != named)}"
    standin = _pocket_words() if run_file != named else _scripted_words() if embedded else ""
    try:
        return RunConfig.model_validate(data), base, standin
    except ValidationError as error:
        raise ConfigError("\n".join(_flag_message(item) for item in error.errors())) from error


def _from_here(path: Path) -> Path:
    """As somebody here would type it."""
    here = Path.cwd()
    return path.relative_to(here) if here in path.parents else path


def pocket_runs() -> bool:
    """Whether the pocket model can be run here: it needs two libraries that the toolkit itself does without."""
    return not missing_for_pocket()


def missing_for_pocket() -> list[str]:
    return [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]


def _pocket_words() -> str:
    return f"no --model given: using pocket:base, a tiny model of an invented world ({REAL_MODELS})"


def _scripted_words() -> str:
    missing = missing_for_pocket()
    why = f"; the pocket model needs {' and '.join(missing)}: pip install 'constitutional[transformers]'"
    return f"no --model given: using the scripted stand-in {DEFAULT_MODEL} ({REAL_MODELS}{why if missing else ''})"


def _models_from_flags(models: dict[str, Any], flags: dict[str, Any]) -> None:
    named = {"policy": flags["model"], "critic": flags["critic"], "reviser": flags["reviser"]}
    if flags["judge"] is not None and ":" in flags["judge"]:
        named["judge"] = flags["judge"]
    for role, name in named.items():
        if name is not None:
            models[role] = models.get(role, {}) | {"name": name}


def _settings_from_flags(models: dict[str, Any], flags: dict[str, Any]) -> None:
    if flags["price"] is not None:
        prices = price(flags["price"])
        for entry in models.values():
            entry.setdefault("prices", prices)
    if flags["base_url"] is not None:
        for entry in models.values():
            entry.setdefault("base_url", flags["base_url"])
    if flags["batch"]:
        providers = [entry for entry in models.values() if str(entry.get("name")).startswith(API)]
        if not providers:
            named = ", ".join(sorted({str(entry.get("name")) for entry in models.values()}))
            raise ConfigError(f"--batch is for openai: and anthropic: models, and this run has none: {named}")
        for entry in providers:
            entry["batch"] = True
    for name in ("temperature", "max_tokens"):
        if flags[name] is not None:
            models["policy"][name] = flags[name]


def _paths_from_flags(data: dict[str, Any], flags: dict[str, Any], base: Path) -> None:
    """A path on the command line starts from where the command is run, one in the run file from that file."""
    if base == Path.cwd():
        return
    for name in ("prompts", "constitution", "judge_card"):
        given = flags[name]
        if given is not None and given != "-" and Path(given.partition("#")[0]).exists():
            data[name] = str(Path.cwd() / given)


def price(text: str) -> dict[str, float]:
    try:
        first, second = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--price {text}: expected two numbers, IN,OUT, per million tokens") from error
    return {"input": first, "output": second}


def _stem(run_file: Path | None, data: dict[str, Any], embedded: bool) -> str:
    if run_file is not None:
        return run_file.stem
    if embedded:
        return "demo"
    return Path(str(data.get("constitution") or "base")).stem


def _flag_message(item: Any) -> str:
    loc = [str(part) for part in item["loc"]]
    message = item["msg"].removeprefix("Value error, ")
    name = f"--{loc[0].replace('_', '-')}" if len(loc) == 1 else ".".join(loc)
    return f"{name}: {message[0].lower() + message[1:]}" if loc else message
