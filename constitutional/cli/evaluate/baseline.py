"""The baseline that is easily forgotten: imitation of the judge's own answers. Gains of AI feedback are often nothing but a
judge that is stronger than the model that it teaches; what is left above this baseline is due to the preferences."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from constitutional.config.run import ModelConfig
from constitutional.errors import UsageError
from constitutional.evaluation.contenders import BASE
from constitutional.evaluation.settings import EvaluateSettings, Named

RUN, ROWS, MODEL, NAME = "runs/judge-answers", "judge-answers.jsonl", "models/sft-judge", "sft-judge"
TRAINING_PROMPTS = "TRAINING-PROMPTS.jsonl"


def commands(settings: EvaluateSettings) -> Sequence[str]:
    """Each a line for the shell. What is not known is in capitals."""
    judge = settings.models.get("judge") or settings.models.get("policy")
    if judge is None:
        raise UsageError("--suggest-baseline: no judge's model is named: give --judge PROVIDER:NAME or --model")
    prompts = TRAINING_PROMPTS
    generate = ["generate", "--model", judge.name, "--prompts", prompts, "--rounds", "0", "--out", RUN]
    if judge.base_url is not None:
        generate += ["--base-url", judge.base_url]
    if settings.system is not None:
        generate += ["--system", settings.system]
    return [
        "# SFT on the judge's own answers, to the prompts that the tuned model was trained on:",
        _line(*generate),
        _line("export", RUN, "--format", "answers", "--out", ROWS),
        _line("train", ROWS, "--stage", "sft", "--model", _weights(settings.base, BASE), "--out", MODEL),
        f"# then evaluate as before, with one option more: --more {NAME}={MODEL}",
    ]


def _line(*words: str) -> str:
    return shlex.join(["constitutional", *words])


def _weights(model: Named, name: str) -> str:
    """As `train` names a model: a folder or a Hub id."""
    provider, _, rest = (model.name if isinstance(model, ModelConfig) else model).partition(":")
    return rest if provider in ("transformers", "vllm") else name.upper()
