"""What a training would be: rows, steps, tokens, memory, disk. Loads the tokenizer and no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from constitutional.training.data import limited_held_out
from constitutional.training.launch import launch_command, settings_file
from constitutional.training.ready import Ready
from constitutional.training.schedule import Schedule
from constitutional.training.settings import ONLINE
from constitutional.training.tokens import Speech, TokenRows, answer_rows, labelled_rows, pair_tokens, question_rows

GIB = 2**30


@dataclass(frozen=True, slots=True)
class StagePlan:
    stage: str
    rows: int
    held_out: int
    steps: int
    tokens: int
    """One pass over the training rows."""
    longest: int
    memory_gib: float
    checkpoint_gib: float
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """Of a model: its weights, and what a token leaves behind for the backward pass."""

    weights: int
    trained: int
    per_token: int
    """Bytes in 16 bits, over all layers."""
    per_token_checkpointed: int


def estimate(ready: Ready) -> list[StagePlan]:
    from constitutional.training.trainers.policy import Device, Start, load_config, load_tokenizer

    settings = ready.settings
    start = Start.of(settings.model, settings.revision)
    adapter = settings.lora is not None or start.adapter is not None
    device = Device.of(settings, adapter=adapter)
    speech = Speech(load_tokenizer(start, settings))
    size = size_of(load_config(start, settings), settings.lora if settings.lora else (16 if adapter else None))
    found = []
    for stage in settings.stages:
        rows = _rows(ready, stage, speech)
        epochs = settings.sft_epochs if stage == "sft" else settings.epochs
        if stage in ONLINE:
            schedule = Schedule.online(settings, len(rows.train), len(rows.held_out))
        else:
            schedule = Schedule.of(settings, len(rows.train), len(rows.held_out), epochs)
        paired = stage == "reward" or (stage == "dpo" and settings.loss != "kto")
        at_once = schedule.micro_batch * rows.longest * (2 if paired else 1)
        kept = stage in ONLINE or (stage == "dpo" and settings.loss != "orpo" and settings.reference == "live")
        live = kept and not adapter
        found.append(
            StagePlan(
                stage,
                len(rows.train),
                len(rows.held_out),
                schedule.steps,
                rows.tokens,
                rows.longest,
                _memory(size, device, at_once, settings.gradient_checkpointing, live) / GIB,
                12 * size.trained / GIB,
                dict(rows.dropped),
            )
        )
    return found


def size_of(config: Any, lora: int | None) -> Size:
    """Counted on a model without storage."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    weights = sum(parameter.numel() for parameter in model.parameters())
    trained = weights
    if lora is not None:
        linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
        head = model.get_output_embeddings()
        trained = sum(lora * (one.in_features + one.out_features) for one in linear if one is not head)
    text = config.get_text_config().to_dict()
    layers, hidden = text.get("num_hidden_layers", 1), text.get("hidden_size", 1)
    inner = text.get("intermediate_size") or 4 * hidden
    return Size(weights, trained, 2 * layers * (10 * hidden + 4 * inner), 2 * layers * hidden)


def _memory(size: Size, device: Any, tokens: int, checkpointed: bool, live: bool) -> float:
    """Weights, gradients, the optimizer's two moments, the copies that autocast makes, and activations: a rough sum."""
    width = 2 if device.dtype == "bfloat16" else 4
    weights = size.weights * width + (size.weights * width if live else 0)
    trained = size.trained * (4 + 8) + (size.trained * 4 if width == 2 else 0)
    copies = 2 * size.weights if device.autocast and width == 4 else 0
    per_token = size.per_token_checkpointed if checkpointed else size.per_token
    return weights + trained + copies + tokens * per_token * (1 if device.autocast else 2)


def _rows(ready: Ready, stage: str, speech: Speech) -> TokenRows:
    settings = ready.settings
    most = settings.max_length or 0
    if stage == "sft":
        return answer_rows(limited_held_out(ready.data.answers, settings.eval_rows, settings.seed), speech, most)
    if stage in ONLINE:
        asked = limited_held_out(ready.data.questions, settings.eval_rows, settings.seed)
        return question_rows(asked, speech, most, settings.answer_tokens)
    if stage == "dpo" and settings.loss == "kto":
        return labelled_rows(limited_held_out(ready.data.labelled, settings.eval_rows, settings.seed), speech, most)
    part = limited_held_out(ready.data.preferences, settings.eval_rows, settings.seed)
    return pair_tokens(part, speech, most, settings.labels or "hard")


def command_of(ready: Ready) -> list[str] | None:
    """What would be launched, if anything."""
    settings = ready.settings
    return launch_command(settings, settings_file(settings)) if settings.launcher else None
