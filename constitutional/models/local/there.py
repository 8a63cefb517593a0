"""Whether a model is where its name says, found out before a library is asked to load it: what libraries say where it is not
is long, comes late and points elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from constitutional.errors import ModelUnavailableError
from constitutional.models.local.away import is_away, why_away
from constitutional.saying import Say, aloud

ADAPTER_CONFIG = "adapter_config.json"
CONFIGS = ("config.json", "params.json", ADAPTER_CONFIG)
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")
NO_WEIGHTS = ("training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt")
WORDS = ("tokenizer", "tokenization", "vocab", "spiece", "sentencepiece", "tekken", "merges")
"""How the names of a tokenizer's files begin."""
POINTER = b"version https://git-lfs"
LOGIN = "log in with `hf auth login`, or put a token into the environment variable HF_TOKEN"
NOT_HERE, INSTEAD = "no such folder here", "give the folder of a model that is here"
PATIENCE = 10.0
"""Seconds until the Hub counts as out of reach."""


def check_there(
    name: str,
    path: str,
    revision: str | None = None,
    *,
    weights: bool = True,
    tokenizer: bool = True,
    say: Say = aloud,
) -> None:
    """``path`` is a folder, or a name on the Hub that is asked for what it holds where it was not fetched before. One that
    was is used where the Hub cannot be reached (``away.loading``), and ``say`` is told so. ``name`` is what people call
    it."""
    folder = Path(path)
    if folder.is_dir():
        _check_names(name, "", [entry.name for entry in folder.iterdir()], weights=weights, tokenizer=tokenizer)
        if weights:
            _check_weights(name, folder)
        return
    from huggingface_hub import is_offline_mode, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        known = [try_to_load_from_cache(path, config, revision=revision) for config in CONFIGS]
    except HFValidationError as error:
        raise ModelUnavailableError(
            f"{name}: no such folder here, and no name that the Hub could have: give a model folder, or user/name"
        ) from error
    fetched = next((Path(config).parent for config in known if isinstance(config, str)), None)
    if fetched is None:
        _check_on_hub(name, path, revision, weights=weights, tokenizer=tokenizer)
    elif not is_offline_mode() and (why := why_away(_endpoint())) is not None:
        where = f" in the Hub's cache, and {_endpoint()} does not answer ({why})"
        _check_names(name, where, [entry.name for entry in fetched.iterdir()], weights=weights, tokenizer=tokenizer)
        if weights:
            _check_weights(name, fetched)
        say(f"note: {name}: {_endpoint()} does not answer ({why}): taken as it was fetched before, {fetched.name[:7]}")


def no_config(folder: Path) -> str:
    """What is said of a folder without one."""
    inside = sorted(str(config.parent) for config in folder.glob("*/config.json"))
    hint = f"; did you mean {' or '.join(map(repr, inside[:3]))}?" if inside else ""
    gguf = next(folder.glob("*.gguf"), None) is not None
    kind = "; weights as .gguf are for llama.cpp and its like, which are asked as `openai:`" if gguf else ""
    return f"not a model folder: no config.json in it{hint or kind}"


def is_adapter(folder: Path) -> bool:
    """A LoRA adapter and no whole model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of_adapter(name: str, folder: Path) -> tuple[str, str | None]:
    """The model that a LoRA adapter belongs to: its folder or its name on the Hub, and there its revision."""
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text("utf-8"))
        base, revision = str(Path(config["base_model_name_or_path"])), config.get("revision")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ModelUnavailableError(
            f"{name}: its {ADAPTER_CONFIG} does not say which model it belongs to: {reason[:200]}"
        ) from error
    if os.path.isabs(base) and not (Path(base) / "config.json").is_file():
        raise ModelUnavailableError(f"{name}: the model that this LoRA adapter belongs to is not at {base}")
    if not any(_is_weights(entry.name) for entry in folder.iterdir()):
        raise ModelUnavailableError(f"{name}: no weights in it: a LoRA adapter has them in adapter_model.safetensors")
    return base, revision


def told_by_hub(error: BaseException, repo: str, revision: str | None = None) -> str | None:
    """What the Hub's errors mean, however deep a library has wrapped them; None where it is none of them."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    chain = list(_chain(error))
    hub = _endpoint()
    forbidden = f"{hub} does not answer" if is_away() else "HF_HUB_OFFLINE forbids to ask"
    for kind, meaning in (
        (GatedRepoError, f"its owner wants to be asked first: accept the terms at {hub}/{repo}, and {LOGIN}"),
        (RepositoryNotFoundError, f"{NOT_HERE}, and no such model at {hub}: check the name; for a private one {LOGIN}"),
        (RevisionNotFoundError, f"{hub}/{repo} has no revision {revision!r}"),
        (OfflineModeIsEnabled, f"{NOT_HERE} and not in the Hub's cache, and {forbidden}: {INSTEAD}"),
    ):
        if any(isinstance(one, kind) for one in chain):
            return meaning
    for one in chain:
        if isinstance(one, HfHubHTTPError) and one.response is not None:
            return f"{hub} answered {one.response.status_code}: try again later"
    if any(isinstance(one, LocalEntryNotFoundError) or _of_network(one) for one in chain):
        reason = " ".join(str(chain[-1]).split())[:200]
        return f"{NOT_HERE}, and {hub} does not answer ({reason}): check the name and the network, or {INSTEAD}"
    return None


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def _check_on_hub(name: str, repo: str, revision: str | None, *, weights: bool, tokenizer: bool) -> None:
    import huggingface_hub

    api = huggingface_hub.HfApi(endpoint=_endpoint(), library_name="constitutional")
    try:
        found = api.model_info(repo, revision=revision, timeout=PATIENCE)
        if found.gated:
            api.auth_check(repo)
    except Exception as error:
        said = told_by_hub(error, repo, revision)
        if said is None:
            raise
        raise ModelUnavailableError(f"{name}: {said}") from error
    if found.siblings:
        names = [file.rfilename for file in found.siblings]
        _check_names(name, " on the Hub", names, weights=weights, tokenizer=tokenizer)


def _check_names(name: str, where: str, names: Collection[str], *, weights: bool, tokenizer: bool) -> None:
    if not any(config in names for config in CONFIGS):
        raise ModelUnavailableError(f"{name}: no model{where}: no config.json in it")
    if weights and not any(_is_weights(file) for file in names):
        raise ModelUnavailableError(f"{name}: no weights in it{where}: none of its files is a .safetensors or .bin")
    if tokenizer and ADAPTER_CONFIG not in names and not any(_is_of_tokenizer(file) for file in names):
        raise ModelUnavailableError(f"{name}: no tokenizer in it{where}: save one there, as tokenizer.json")


def _check_weights(name: str, folder: Path) -> None:
    for index in folder.glob("*.index.json"):
        for part in sorted(set(_read(index).get("weight_map", {}).values())):
            if not (folder / str(part)).is_file():
                raise ModelUnavailableError(f"{name}: {part} is missing, which {index.name} names: copy it again")
    for path in folder.iterdir():
        if _is_weights(path.name) and path.is_file():
            with path.open("rb") as file:
                if file.read(len(POINTER)) == POINTER:
                    raise ModelUnavailableError(
                        f"{name}: {path.name} is a pointer of Git LFS and no weights: run `git lfs pull` in that folder"
                    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # the library says what is wrong with it
    return found if isinstance(found, dict) else {}


def _is_weights(name: str) -> bool:
    return name.endswith(WEIGHTS) and name not in NO_WEIGHTS and not name.startswith("rng_state")


def _is_of_tokenizer(name: str) -> bool:
    return name.startswith(WORDS) or name.endswith((".tiktoken", ".model", ".gguf"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _of_network(error: BaseException) -> bool:
    library = type(error).__module__.split(".")[0]
    return library in ("httpx", "httpx2", "httpcore", "httpcore2", "requests") or isinstance(error, ConnectionError)
