"""What the adapters that run a model in this process share: which model it is, and how text meets tokens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jinja2 import TemplateError as JinjaError

from constitutional.core.digest import digest
from constitutional.errors import ConfigError, MissingExtraError, ModelUnavailableError, RequestRefusedError
from constitutional.models.base import split_reasoning
from constitutional.models.there import ADAPTER, base_of_adapter, check_there, no_config, told_by_hub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future, ThreadPoolExecutor

    from constitutional.core.records import Messages
    from constitutional.roles import ModelSetup

T = TypeVar("T")

DEFAULT_MAX_TOKENS = 2048
"""The longest answer where a request sets no limit and the context has room."""

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
                adapter = (folder / ADAPTER).is_file()
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


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns dialogues into tokens and tokens into answers. Blocking, and used from one thread at a time."""

    model: LocalModel
    tokenizer: Any
    context: int
    """How many tokens a prompt and its answer may have together."""

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def render(self, messages: Messages) -> list[int]:
        """A dialogue that ends with the assistant's words is continued; any other gets a new turn."""
        if self.model.template is None and self.tokenizer.chat_template is None:
            raise ModelUnavailableError(
                f"{self.model.id}: its tokenizer has no chat template (a base model?): "
                "use the instruction-tuned model, or give one with the option chat_template: FILE.jinja"
            )
        unfinished = bool(messages) and messages[-1].role == "assistant"
        try:
            ids: list[int] = self.tokenizer.apply_chat_template(
                [message._asdict() for message in messages],
                chat_template=self.model.template,
                add_generation_prompt=not unfinished,
                continue_final_message=unfinished,
                tokenize=True,
                return_dict=False,
                **self.model.variables,
            )
        except (JinjaError, ValueError) as error:
            problem = f"{self.model.id}: the chat template refuses this dialogue: {error}"
            raise RequestRefusedError(problem, "chat_template") from error
        return ids

    def room(self, prompt: int, max_tokens: int | None = None) -> int:
        """How many tokens the answer to a prompt of this length may have."""
        left = self.context - prompt
        if left < 1:
            problem = f"{self.model.id}: no room for an answer: the prompt has {prompt} tokens of {self.context}"
            raise RequestRefusedError(problem, "context_too_long")
        return min(left, DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens)

    def answer(self, prompt: list[int], text: str) -> tuple[str, str | None]:
        """The answer and the reasoning before it, also where the template itself opened its block."""
        opened = "</think>" in text and self.tokenizer.decode(prompt[-16:]).rstrip().endswith("<think>")
        return split_reasoning(f"<think>{text}" if opened else text)


def prepare_transformers(name: str) -> None:
    """Import what a model that runs in this process needs, or say what is missing; no bars are drawn while it loads."""
    try:
        import torch  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401
        from transformers.utils.logging import disable_progress_bar
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise ModelUnavailableError(f"{name}: transformers cannot be imported: {error}") from error
        raise MissingExtraError.naming(error.name, "transformers") from error
    disable_progress_bar()


def why_not_loaded(error: Exception, path: str, revision: str | None) -> str:
    return told_by_hub(error, path, revision) or f"transformers cannot load it: {in_one_line(error)}"


def placed(device: str | None, dtype: str) -> tuple[str, str]:
    """Where a model runs and with which numbers: on the CPU ``auto`` is float32."""
    import torch

    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return where, "float32" if dtype == "auto" and where == "cpu" else dtype


def end_tokens(*sources: int | list[int] | None) -> frozenset[int]:
    """The tokens that end a reply, as the tokenizer and the generation config name them."""
    found: set[int] = set()
    for source in sources:
        found.update(source if isinstance(source, list) else [] if source is None else [source])
    return frozenset(found)


def in_one_line(error: Exception) -> str:
    """Libraries explain at length; the whole text stays in the traceback's cause."""
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else text[:400] + " …"


class Once(Generic[T]):
    """Something slow to start: begun in a thread by the first caller, shared by all, also concurrent ones.

    A cancelled caller does not stop it, and a failure is every caller's."""

    def __init__(self, start: Callable[[], T], thread: ThreadPoolExecutor) -> None:
        self._start = start
        self._thread = thread
        self.future: Future[T] | None = None

    async def get(self) -> T:
        if self.future is None:
            self.future = self._thread.submit(self._start)
        return await asyncio.shield(asyncio.wrap_future(self.future))
