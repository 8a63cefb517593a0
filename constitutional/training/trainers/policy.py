"""The model that is trained: which it is, how it is loaded, and how it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from constitutional.errors import ConfigError, MissingExtraError, ModelUnavailableError, RunStoppedError
from constitutional.models.local.checkpoint import fingerprint
from constitutional.models.local.loading import in_one_line, why_not_loaded
from constitutional.models.local.there import ADAPTER_CONFIG, base_of_adapter, check_there, is_adapter, no_config
from constitutional.pocket.provider import folder_of
from constitutional.saying import Say
from constitutional.training.settings import TrainSettings

LONGEST = 2048
"""Where nobody says how long rows may be: memory grows with it, and preference data is shorter."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stage's weights come from: a folder or a Hub name; an adapter with the model under it."""

    path: str
    adapter: str | None
    revision: str | None
    name: str
    """For people: no path of this machine."""

    @classmethod
    def of(cls, name: str, revision: str | None = None) -> Start:
        if name.startswith("pocket:"):
            return cls(str(folder_of(name.removeprefix("pocket:"))), None, None, name)
        plain = name
        for provider in ("transformers:", "vllm:", "hf:"):
            plain = plain.removeprefix(provider)
        if ":" in plain:
            raise ModelUnavailableError(f"{name}: no weights that could be trained; give a model folder or a Hub name")
        folder = Path(plain).expanduser()
        if is_adapter(folder):
            base, own = base_of_adapter(name, folder)
            return cls(base, str(folder.resolve()), revision or own, folder.resolve().name)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise ModelUnavailableError(f"{name}: {no_config(folder)}")
            return cls(str(folder.resolve()), None, None, folder.resolve().name)
        if plain.startswith(("/", ".", "~")) or plain.count("/") > 1 or folder.exists():
            raise ModelUnavailableError(f"{name}: no such folder; give a model folder or a Hub name")
        return cls(plain, None, revision, plain)

    def check_there(self, say: Say) -> None:
        """Before transformers is asked for it: what is wrong with a folder or a name, in our words."""
        check_there(self.name, self.path, self.revision, tokenizer=self.words == self.path, say=say)

    def version(self) -> str:
        """Names the weights by their content; of a Hub model by its revision."""
        base = fingerprint(Path(self.path)) if Path(self.path).is_dir() else f"{self.path}@{self.revision or 'main'}"
        return base if self.adapter is None else f"{base}+{fingerprint(Path(self.adapter))}"

    @property
    def words(self) -> str:
        """Where the tokenizer is: with the adapter if it was saved there."""
        has = self.adapter is not None and (Path(self.adapter) / "tokenizer_config.json").is_file()
        return self.adapter if has and self.adapter is not None else self.path


@dataclass(frozen=True, slots=True)
class Device:
    """What the settings come to on this machine."""

    cuda: bool
    autocast: bool
    """bfloat16 arithmetic over weights of ``dtype``."""
    dtype: str

    @classmethod
    def of(cls, settings: TrainSettings, *, adapter: bool) -> Device:
        """Every weight that is trained is float32: a step of 5e-7 is lost in bfloat16. Frozen ones may be bfloat16."""
        cuda = torch.cuda.is_available() and not settings.cpu
        autocast = settings.precision == "bf16" or (settings.precision == "auto" and cuda)
        return cls(cuda, autocast, "bfloat16" if autocast and adapter else "float32")


def load_tokenizer(start: Start, settings: TrainSettings) -> Any:
    tokenizer = _loaded(
        start,
        lambda: AutoTokenizer.from_pretrained(
            start.words, revision=start.revision, trust_remote_code=settings.trust_remote_code
        ),
    )
    if settings.chat_template is not None:
        try:
            tokenizer.chat_template = Path(settings.chat_template).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--chat-template {settings.chat_template}: {error}") from error
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"{start.name}: its tokenizer has no chat template (a base model?): give one with --chat-template FILE.jinja"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(start: Start, settings: TrainSettings) -> Any:
    return _loaded(
        start,
        lambda: AutoConfig.from_pretrained(
            start.path, revision=start.revision, trust_remote_code=settings.trust_remote_code
        ),
    )


def context_of(config: Any, tokenizer: Any) -> int:
    """How many tokens a row may have."""
    found = config.get_text_config().to_dict().get("max_position_embeddings")
    return int(found or min(tokenizer.model_max_length, 10**6))


def load_model(start: Start, settings: TrainSettings, device: Device) -> Any:
    """The policy with its adapter, if it has or gets one, on the CPU; the trainer places it."""
    model = load_frozen(start, settings, device)
    if start.adapter is None and settings.lora is None:
        return model
    if start.adapter is None:
        return adapter_for(model, settings)
    peft = _peft()
    torch.manual_seed(settings.seed)
    return peft.PeftModel.from_pretrained(model, start.adapter, is_trainable=True)


def drop_reference(model: Any) -> None:
    """The second adapter that TRL adds as the reference: a checkpoint with two adapters cannot be resumed from."""
    if "ref" in model.peft_config:
        model.delete_adapter("ref")


def adapter_for(model: Any, settings: TrainSettings, *, task: str = "CAUSAL_LM", whole: list[str] | None = None) -> Any:
    """The model with a new adapter. ``whole`` are modules that are trained as they are."""
    peft = _peft()
    torch.manual_seed(settings.seed)
    targets: str | list[str] = settings.lora_targets
    if targets != "all-linear":
        targets = [name.strip() for name in settings.lora_targets.split(",")]
    adapter = peft.LoraConfig(
        r=settings.lora,
        lora_alpha=settings.lora_alpha or 2 * (settings.lora or 1),
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        modules_to_save=whole,
        task_type=task,
    )
    try:
        return peft.get_peft_model(model, adapter)
    except ValueError as error:
        raise ConfigError(f"--lora-targets {settings.lora_targets}: {in_one_line(error)}") from error


def _peft() -> Any:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtraError.naming("peft", "train") from error
    return peft


def load_reference(start: Start, settings: TrainSettings, device: Device) -> Any:
    """What the policy is before its first step, with its adapter if it comes with one."""
    dtype = "bfloat16" if device.autocast else "float32"
    model = load_frozen(start, settings, Device(device.cuda, device.autocast, dtype))
    if start.adapter is None:
        return model
    import peft

    return peft.PeftModel.from_pretrained(model, start.adapter)


def load_frozen(start: Start, settings: TrainSettings, device: Device) -> Any:
    """The model without any adapter."""
    return load_as(AutoModelForCausalLM, start, settings, device)


def load_as(kind: Any, start: Start, settings: TrainSettings, device: Device, **extra: Any) -> Any:
    """The same without any adapter, as one of transformers' kinds of model."""
    extra |= {} if settings.attention is None else {"attn_implementation": settings.attention}
    return _loaded(
        start,
        lambda: kind.from_pretrained(
            start.path,
            revision=start.revision,
            dtype=device.dtype,
            trust_remote_code=settings.trust_remote_code,
            **extra,
        ),
    )


def check_vocabulary(model: Any, tokenizer: Any, name: str) -> None:
    rows = model.get_input_embeddings().weight.shape[0]
    if rows and len(tokenizer) > rows:
        raise ConfigError(
            f"{name}: the tokenizer has {len(tokenizer):,} tokens and the model {rows:,}: they do not match"
        )


def merge_adapter(adapter: Path, out: Path, settings: TrainSettings) -> None:
    """The adapter's model with the adapter worked into its weights, as one folder. In float32, written as the base is."""
    import peft

    start = Start.of(str(adapter))
    config = load_config(start, settings)
    dtype = config.dtype if config.dtype is not None else torch.float32
    device = Device(cuda=False, autocast=False, dtype="float32")
    tokenizer = load_tokenizer(start, settings)
    task = json.loads((adapter / ADAPTER_CONFIG).read_text())["task_type"]
    if task == "SEQ_CLS":
        base = load_as(AutoModelForSequenceClassification, start, settings, device, num_labels=1)
        base.config.pad_token_id = tokenizer.pad_token_id
    else:
        base = load_frozen(start, settings, device)
    merged = peft.PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    merged.to(dtype).save_pretrained(out)
    tokenizer.save_pretrained(out)


def _loaded(start: Start, load: Any) -> Any:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return load()
    except torch.OutOfMemoryError as error:
        raise RunStoppedError(f"{start.name}: does not fit in memory: {in_one_line(error)}") from error
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        why = why_not_loaded(error, start.path, start.revision)
        raise ModelUnavailableError(f"{start.name}: {why}") from error
