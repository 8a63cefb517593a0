"""Which model a folder on this machine or a name on the Hub is, so that the ledger knows it again."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constitutional.core.digest import digest
from constitutional.errors import ConfigError, ModelUnavailableError
from constitutional.models.local.loading import why_not_loaded
from constitutional.models.local.there import ADAPTER_CONFIG, base_of_adapter, check_there, no_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constitutional.roles import ModelSetup

_CONTENT = {".json", ".txt", ".model", ".jinja", ".tiktoken", ".py", ".safetensors", ".bin", ".pt", ".gguf"}
_NOT_THE_MODEL = {"trainer_state.json", "training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt"}
_WHOLE = 16 << 20
_ENDS = 64 << 10
_SAMPLES, _SAMPLE = 64, 4 << 10


def fingerprint(folder: Path) -> str:
    """Names a model folder by what is in it: a moved folder keeps its name, a retrained one does not.

    A file up to 16 MiB is read whole. Of a bigger one: its size, its first and last 64 KiB, and 64 blocks
    spread evenly between them, so that training which leaves the last tensor alone is still seen."""
    found = blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        if path.suffix not in _CONTENT or path.name in _NOT_THE_MODEL or not path.is_file():
            continue
        size = path.stat().st_size
        found.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE:
                found.update(file.read())
                continue
            found.update(file.read(_ENDS))
            for block in range(1, _SAMPLES + 1):
                file.seek(size * block // (_SAMPLES + 1))
                found.update(file.read(_SAMPLE))
            file.seek(-_ENDS, 2)
            found.update(file.read(_ENDS))
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A folder on this machine or a name on the Hub, and what is asked of its chat template."""

    id: str
    """``provider:name``; of a folder only its own name, so that identities carry no path of this machine."""
    path: str
    """What the library loads."""
    revision: str | None
    """What the library is asked for: a Hub revision, None for a folder."""
    version: str | None
    """What the identity holds: the folder's fingerprint, or the Hub revision."""
    template: str | None
    variables: Mapping[str, Any]
    adapter: str | None = None
    """The folder of a LoRA adapter, which is put on what ``path`` loads."""

    @classmethod
    def of(
        cls, setup: ModelSetup, template_path: str | None, variables: Mapping[str, Any], *, adapters: bool = False
    ) -> LocalModel:
        """Reads a few files at most. A missing folder is an error now, a wrong Hub name when it is loaded. ``adapters``:
        whether who asks can put a LoRA adapter on its model."""
        try:
            template = Path(template_path).read_text("utf-8") if template_path else None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{setup.id}: chat_template: {error}") from error
        folder = Path(setup.model).expanduser()
        if folder.is_dir():
            folder = folder.resolve()
            if not any((folder / config).is_file() for config in ("config.json", "params.json")):
                adapter = (folder / ADAPTER_CONFIG).is_file()
                if adapter and adapters:
                    return cls._of_adapter(setup, folder, template, variables)
                what = (
                    "not a model folder: a LoRA adapter; merge it into its model first"
                    if adapter
                    else no_config(folder)
                )
                raise ModelUnavailableError(f"{setup.id}: {what}")
            name = f"{setup.provider}:{folder.name}"
            return cls(name, str(folder), None, fingerprint(folder), template, variables)
        if setup.model.startswith(("/", ".", "~")) or folder.exists():
            raise ModelUnavailableError(f"{setup.id}: no such folder; give a model folder or a Hub name")
        return cls(setup.id, setup.model, setup.revision, setup.revision, template, variables)

    @classmethod
    def _of_adapter(
        cls, setup: ModelSetup, folder: Path, template: str | None, variables: Mapping[str, Any]
    ) -> LocalModel:
        """Named by its folder; its version is its own content and that of the model under it."""
        base, revision = base_of_adapter(setup.id, folder)
        local = (Path(base) / "config.json").is_file()
        version = digest([fingerprint(Path(base)) if local else [base, revision], fingerprint(folder)])
        name = f"{setup.provider}:{folder.name}"
        return cls(name, base, None if local else revision, version, template, variables, str(folder))

    @property
    def tokenizer(self) -> str:
        """Where its tokenizer is: an adapter may bring its own."""
        own = self.adapter is not None and (Path(self.adapter) / "tokenizer_config.json").is_file()
        return self.adapter if own and self.adapter is not None else self.path

    def check_there(self) -> None:
        """Before a library is asked for it: what is wrong with a folder or a name, in our words."""
        check_there(self.id, self.path, self.revision, tokenizer=self.tokenizer == self.path)

    def not_loaded(self, error: Exception) -> ModelUnavailableError:
        return ModelUnavailableError(f"{self.id}: {why_not_loaded(error, self.path, self.revision)}")

    def identity(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """``settings`` are the adapter's own options that change what the model says."""
        found: dict[str, Any] = {"model": self.id, "revision": self.version}
        if self.template is not None:
            found["chat_template"] = digest(self.template)
        if self.variables:
            found["chat_template_kwargs"] = dict(self.variables)
        return found | ({"options": dict(settings)} if settings else {})
