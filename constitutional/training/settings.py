"""Everything that `constitutional train` can be told. Plain data: nothing heavy is imported here.

What the user left open is ``None`` until ``settle`` fills it in; from then on a training reads only settled values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from constitutional.core.digest import digest
from constitutional.errors import ConfigError, UnknownNameError
from constitutional.training.guards.spec import specs

LOSSES = ("dpo", "ipo", "hybrid", "orpo", "kto", "auto")
CERTAIN = ("orpo", "kto")
"""Losses of TRL that know no probability of a label."""
SWEPT = ("dpo", "ipo", "hybrid", "auto")
"""The losses whose β a sweep can find."""
LABELS = ("soft", "hard", "margin-weighted")
STAGES = ("sft", "dpo", "reward", "grpo", "rloo")
ONLINE = ("grpo", "rloo")
"""Stages that learn from answers of their own, as they are sampled."""
PRECISIONS = ("auto", "bf16", "fp32")
REFERENCES = ("precomputed", "live")

WHERE = frozenset({"out", "fresh", "merge", "report_to", "micro_batch", "eval_batch", "launcher", "launcher_config"})
"""These change where or how fast a training runs, not what comes out of it: a resume may change them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What a training is told: the options of `constitutional train`, whose `--help` says what each one means."""

    source: str
    """A run folder, a dataset folder or file, or a Hub id."""
    model: str
    """A model folder, a LoRA adapter's folder, or a Hub id."""
    out: str
    stages: tuple[str, ...] = ("dpo",)

    loss: str = "dpo"
    auto_agreement: float = 0.7
    """Of the loss ``auto``: the three thresholds of ``advice.py``."""
    auto_size: int = 10_000
    auto_strength: float = 0.9
    beta: float | None = None
    sweep: bool = False
    """β is found by short trainings."""
    sweep_steps: int = 100
    """Most steps of each."""
    sweep_kl: float = 10.0
    """What a β may cost, in nats of KL to the reference."""
    alpha: float = 0.7
    """Of ``hybrid``: the weight of the DPO term; the IPO term has the rest."""
    ipo_beta: float | None = None
    """The IPO term's own β; default: ``beta``."""
    labels: str | None = None
    """Default: soft where the data has ``p_chosen``, else hard."""

    lr: float | None = None
    epochs: float = 1.0
    max_steps: int | None = None
    batch: int = 32
    """Rows per optimizer step, over all devices."""
    micro_batch: int = 4
    """Rows per device in one forward pass."""
    eval_batch: int | None = None
    schedule: str = "cosine"
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: str = "adamw_torch_fused"
    seed: int = 0

    sft_lr: float | None = None
    sft_epochs: float = 1.0
    helpful: str | None = None
    """A file of helpful answers for the SFT stage, beside the revisions."""

    run: str | None = None
    """Of the online stages: a run file or folder, whose constitution, critic and scorer give the reward; default: the
    source."""
    generations: int = 8
    """Answers sampled per prompt and step, which are compared with each other."""
    answer_tokens: int = 256
    """Most tokens of a sampled answer."""
    temperature: float = 1.0

    lora: int | None = None
    """The adapter's rank; None trains every weight."""
    lora_alpha: float | None = None
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    merge: bool = False

    max_length: int | None = None
    """Most tokens of a prompt and its answer; default: the model's context, at most 2048."""
    system: str | None = None
    chat_template: str | None = None
    limit: int | None = None
    held_out: float = 0.1
    """Share of the prompts kept out of training, where the data has no test split of its own."""
    eval_rows: int = 1000
    """Most held-out rows in one evaluation."""

    precision: str = "auto"
    cpu: bool = False
    gradient_checkpointing: bool = False
    share_prompts: bool = False
    """A pair's prompt is computed once."""
    liger: bool = False
    attention: str | None = None
    reference: str = "precomputed"
    reference_model: str | None = None
    """Another reference than the model as it is before its first step."""
    revision: str | None = None
    trust_remote_code: bool = False

    eval_every: int | None = None
    save_every: int | None = None
    patience: int = 0
    """Evaluations without a better held-out accuracy until training stops; 0: never."""
    guards: tuple[str, ...] = ()
    """``NAME=warn|stop|off``, with ``:THRESHOLD`` where another one is wanted."""
    samples: int = 16
    """Answers that are drawn at every evaluation of preference training, for the guards; 0: none."""
    sample_tokens: int = 64
    """Most tokens of such an answer."""
    report_to: tuple[str, ...] = ()
    launcher: str | None = None
    launcher_config: str | None = None
    fresh: bool = False

    def check(self) -> TrainSettings:
        """Itself, or a message about what cannot be meant."""
        for kind, value, known in (
            ("loss", self.loss, LOSSES),
            ("labels", self.labels, LABELS),
            ("precision", self.precision, PRECISIONS),
            ("reference", self.reference, REFERENCES),
            *(("stage", stage, STAGES) for stage in self.stages),
        ):
            if value is not None and value not in known:
                raise UnknownNameError.among(kind, value, known)
        if not self.stages or len(set(self.stages)) < len(self.stages):
            raise ConfigError("--stage: name each stage once, as in --stage sft,dpo")
        self._check_stages()
        for name in ("beta", "ipo_beta", "lr", "sft_lr", "epochs", "sft_epochs", "lora_alpha", "max_grad_norm"):
            _at_least(name, getattr(self, name), 0.0, strictly=True)
        _at_least("temperature", self.temperature, 0.0, strictly=True)
        _at_least("generations", self.generations, 2)
        _at_least("answer_tokens", self.answer_tokens, 1)
        for name in ("auto_agreement", "auto_strength", "sweep_kl"):
            _at_least(name, getattr(self, name), 0.0)
        for name in ("sweep_steps", "auto_size", "sample_tokens"):
            _at_least(name, getattr(self, name), 1)
        for name in ("batch", "micro_batch", "eval_batch", "max_steps", "max_length", "lora", "eval_rows"):
            _at_least(name, getattr(self, name), 1)
        for name in ("eval_every", "save_every", "limit"):
            _at_least(name, getattr(self, name), 1)
        for name in ("warmup", "weight_decay", "lora_dropout", "patience", "samples", "seed"):
            _at_least(name, getattr(self, name), 0)
        specs(self.guards)
        if self.sweep:
            self._check_sweep()
        if self.share_prompts and ("dpo" not in self.stages or self.loss not in SWEPT):
            raise ConfigError(f"--share-prompts: it is of the stage dpo, with --loss {', '.join(SWEPT)}")
        if not 0 <= self.alpha <= 1:
            raise ConfigError("--alpha: the DPO term's weight is between 0 and 1")
        if not 0 < self.held_out < 1:
            raise ConfigError("--held-out: a share of the prompts, above 0 and below 1: it is never done without")
        if self.batch % self.micro_batch:
            raise ConfigError(f"--batch {self.batch} is no multiple of --micro-batch {self.micro_batch}")
        return self

    def check_given(self, given: Iterable[str]) -> None:
        """What was said and would change nothing: whoever says it believes that it does."""
        preference = "dpo" in self.stages
        own: tuple[tuple[bool, str, tuple[str, ...]], ...] = (
            (preference and self.loss == "hybrid", "--loss hybrid", ("alpha",)),
            (preference and self.loss in ("ipo", "hybrid", "auto"), "--loss ipo or hybrid", ("ipo_beta",)),
            (preference and self.loss == "auto", "--loss auto", ("auto_agreement", "auto_size", "auto_strength")),
            (self.sweep, "--beta sweep", ("sweep_steps", "sweep_kl")),
            ("sft" in self.stages, "--stage sft", ("helpful", "sft_lr", "sft_epochs")),
            (self.main in ONLINE, "--stage grpo or rloo", ("run", "generations", "answer_tokens", "temperature")),
            (self.lora is not None, "--lora", ("lora_alpha", "lora_dropout", "lora_targets")),
        )
        for holds, of, names in own:
            idle = [name for name in names if name in given]
            if idle and not holds:
                raise ConfigError(f"--{idle[0].replace('_', '-')} is of {of}, and would change nothing here")

    def _check_stages(self) -> None:
        others = [stage for stage in self.stages if stage != "sft"]
        if len(others) > 1 or (others and self.stages[-1] != others[0]):
            raise ConfigError(
                f"--stage {','.join(self.stages)}: sft and one other stage after it; for more, train again with --model "
                "and the folder of the first"
            )
        if self.main == "dpo" and self.loss in CERTAIN and self.labels not in (None, "hard"):
            raise ConfigError(f"--labels {self.labels}: --loss {self.loss} takes every label as certain")
        if self.main in ONLINE and self.batch % self.generations:
            raise ConfigError(
                f"--batch {self.batch} is no multiple of --generations {self.generations}: a step takes whole prompts"
            )
        if self.main == "dpo" and self.loss == "kto" and self.micro_batch < 2:
            raise ConfigError("--micro-batch 1: --loss kto compares the rows of a batch, so it takes at least 2")

    @property
    def main(self) -> str:
        """The stage that the settings without ``sft_`` are for."""
        return self.stages[-1]

    @property
    def certain(self) -> bool:
        """No label counts for less than certain."""
        return self.labels in ("hard", "margin-weighted") or (self.main == "dpo" and self.loss in CERTAIN)

    def _check_sweep(self) -> None:
        if self.beta is not None:
            raise ConfigError("--beta: a number, or sweep, which finds one")
        if "dpo" not in self.stages or self.loss not in SWEPT:
            raise ConfigError(f"--beta sweep: it is of the stage dpo, with --loss {', '.join(SWEPT)}")
        if not self.samples:
            raise ConfigError("--beta sweep: KL is measured on samples: leave out --samples 0")

    @property
    def full(self) -> bool:
        return self.lora is None

    def but(self, **changes: Any) -> TrainSettings:
        return replace(self, **changes)

    def plan(self) -> dict[str, Any]:
        """What decides the result, as JSON."""
        return {name: value for name, value in as_json(self).items() if name not in WHERE}

    def digest(self) -> str:
        return digest(self.plan())


def as_json(settings: TrainSettings) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def from_json(saved: dict[str, Any]) -> TrainSettings:
    known = {field.name for field in fields(TrainSettings)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in saved.items() if name in known
    }
    return TrainSettings(**values)


def _at_least(name: str, value: float | None, least: float, *, strictly: bool = False) -> None:
    if value is not None and not math.isfinite(value):
        raise ConfigError(f"--{name.replace('_', '-')}: must be a number, this is {value:g}")
    if value is not None and (value <= least if strictly else value < least):
        flag = name.replace("_", "-")
        raise ConfigError(f"--{flag}: must be {'above' if strictly else 'at least'} {least:g}, this is {value:g}")
