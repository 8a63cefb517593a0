"""``constitutional train``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.grouped import Grouped
from constitutional.cli.train.show import show_plan, show_result
from constitutional.errors import EXIT_INTERRUPTED, EXIT_TOO_MANY_FAILURES
from constitutional.saying import say, silent

if TYPE_CHECKING:
    from constitutional.training.settings import TrainSettings

EXIT_CODES = {"complete": 0, "done": 0, "stopped": EXIT_TOO_MANY_FAILURES, "interrupted": EXIT_INTERRUPTED}
GROUPS = {
    "From where, to where": ("model", "out", "revision", "trust_remote_code", "fresh"),
    "What is learned": (
        "stage", "loss", "beta", "alpha", "ipo_beta", "labels", "auto_agreement", "auto_size", "auto_strength",
        "sweep_steps", "sweep_kl", "helpful", "run", "generations", "answer_tokens", "temperature",
    ),
    "Steps and rates": (
        "lr", "epochs", "max_steps", "batch", "schedule", "warmup", "weight_decay", "max_grad_norm", "optimizer", "seed",
        "sft_lr", "sft_epochs",
    ),
    "Which weights": ("lora", "lora_alpha", "lora_dropout", "lora_targets", "merge"),
    "The data": ("max_length", "system", "chat_template", "limit", "held_out", "eval_rows"),
    "Looking and stopping": (
        "eval_every", "save_every", "patience", "guards", "samples", "sample_tokens", "report_to",
    ),
    "Memory, speed and machines": (
        "micro_batch", "eval_batch", "reference", "precision", "attention", "share_prompts", "gradient_checkpointing",
        "liger", "cpu", "launcher", "launcher_config",
    ),
}  # fmt: skip


@click.command("train", cls=Grouped, groups=GROUPS)
@click.argument("source", metavar="RUN|DATASET")
@click.option(
    "--model", required=True, metavar="FOLDER|HUB_ID", help="The model to train, or a LoRA adapter to go on with."
)
@click.option(
    "--out", required=True, metavar="DIR", help="Where the trained model goes. The same command again resumes."
)
@click.option(
    "--stage",
    default="dpo",
    metavar="A,B",
    show_default=True,
    help="dpo, reward, grpo or rloo; before it, or alone, sft.",
)
@click.option(
    "--loss",
    metavar="NAME",
    help="dpo, ipo, hybrid, kto, orpo (experimental in TRL), or auto: by the labels (default dpo).",
)
@click.option(
    "--beta",
    metavar="B|sweep",
    help="How strongly the reference holds; sweep finds it by short trainings (default 0.1).",
)
@click.option("--alpha", type=float, metavar="A", help="Of hybrid: the DPO term's weight (default 0.7).")
@click.option("--ipo-beta", type=float, metavar="B", help="The IPO term's own beta (default: --beta).")
@click.option("--labels", metavar="KIND", help="soft, hard or margin-weighted (default soft where p_chosen is there).")
@click.option(
    "--auto-agreement", type=float, metavar="F", help="Of auto: labels that agree less take ipo (default 0.7)."
)
@click.option("--auto-size", type=int, metavar="N", help="Of auto: fewer pairs take ipo (default 10000).")
@click.option("--auto-strength", type=float, metavar="F", help="Of auto: stronger labels take dpo (default 0.9).")
@click.option("--sweep-steps", type=int, metavar="N", help="Of the sweep: most steps of each beta (default 100).")
@click.option("--sweep-kl", type=float, metavar="NATS", help="Of the sweep: the KL that a beta may cost (default 10).")
@click.option("--lr", type=float, help="Learning rate (default by loss and stage: 5e-7 for dpo, with --lora 5e-5).")
@click.option("--epochs", type=float, help="Passes over the pairs (default 1).")
@click.option("--max-steps", type=int, metavar="N", help="Steps in all, instead of epochs.")
@click.option("--batch", type=int, metavar="N", help="Rows per step, over all devices (default 32).")
@click.option(
    "--micro-batch", type=int, metavar="N", help="Rows at once on a device; the result is the same (default 4)."
)
@click.option(
    "--eval-batch", type=int, metavar="N", help="Rows at once in an evaluation (default: twice --micro-batch)."
)
@click.option("--schedule", metavar="NAME", help="Of the learning rate (default cosine).")
@click.option("--warmup", type=float, metavar="F", help="Share of the steps that the rate rises (default 0.1).")
@click.option("--weight-decay", type=float, help="Default 0.")
@click.option("--max-grad-norm", type=float, help="Gradients are clipped to this norm (default 1).")
@click.option("--optimizer", metavar="NAME", help="As transformers names them (default adamw_torch_fused).")
@click.option("--seed", type=int, help="Seed of everything random (default 0).")
@click.option("--sft-lr", type=float, help="Learning rate of the stage sft (default 1e-5; with --lora 1e-4).")
@click.option("--sft-epochs", type=float, help="Passes of the stage sft (default 1).")
@click.option(
    "--helpful", metavar="FILE", help="Helpful answers for the stage sft: prompt and completion, or messages."
)
@click.option(
    "--run", metavar="RUN.yaml|RUN", help="Of grpo and rloo: whose constitution, critic and scorer give the reward."
)
@click.option("--generations", type=int, metavar="N", help="Of grpo and rloo: answers to each prompt (default 8).")
@click.option(
    "--answer-tokens", type=int, metavar="N", help="Of grpo and rloo: most tokens of an answer (default 256)."
)
@click.option("--temperature", type=float, help="Of grpo and rloo: of their own answers (default 1).")
@click.option("--lora", type=int, metavar="RANK", help="Train a LoRA adapter of this rank and no other weight.")
@click.option("--lora-alpha", type=float, help="Default: twice the rank.")
@click.option("--lora-dropout", type=float, help="Default 0.")
@click.option("--lora-targets", metavar="NAMES", help="Modules that get an adapter (default all-linear).")
@click.option("--merge", is_flag=True, help="Work the adapter into the model: --out is then a whole model.")
@click.option("--max-length", type=int, metavar="N", help="Most tokens of a row (default: the context, at most 2048).")
@click.option("--system", metavar="TEXT", help="System message for dialogues without one.")
@click.option("--chat-template", metavar="FILE", help="A Jinja file, for a tokenizer without a chat template.")
@click.option("--limit", type=int, metavar="N", help="Use the first N rows.")
@click.option("--held-out", type=float, metavar="F", help="Share of the prompts never trained on (default 0.1).")
@click.option("--eval-rows", type=int, metavar="N", help="Most held-out rows in an evaluation (default 1000).")
@click.option("--eval-every", type=int, metavar="N", help="Steps between evaluations (default: 4 to 20 in all).")
@click.option("--save-every", type=int, metavar="N", help="Steps between checkpoints (default: 5 in all).")
@click.option("--patience", type=int, metavar="N", help="Stop after N evaluations without better held-out accuracy.")
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="NAME=ACTION",
    help="warn, stop or off, and :THRESHOLD, as in kl=stop:15; of kl, memorising, sinking, margin, nan, spike, length, "
    "repetition. May be repeated.",
)
@click.option("--samples", type=int, metavar="N", help="Answers drawn at each evaluation, for the guards (default 16).")
@click.option("--sample-tokens", type=int, metavar="N", help="Most tokens of such an answer (default 64).")
@click.option("--reference", metavar="KIND", help="precomputed (default), or live: a second model in memory.")
@click.option("--precision", metavar="KIND", help="auto (default), bf16 or fp32.")
@click.option("--attention", metavar="NAME", help="As transformers names them: sdpa, flash_attention_2, …")
@click.option("--gradient-checkpointing", is_flag=True, help="Less memory, about a third more time.")
@click.option("--share-prompts", is_flag=True, help="Compute a pair's prompt once and not twice (attention sdpa).")
@click.option("--liger", is_flag=True, help="Liger's layer kernels (GPU; pip install liger-kernel).")
@click.option("--cpu", is_flag=True, help="Do not use the GPU that is there.")
@click.option("--report-to", metavar="A,B", help="tensorboard, trackio, wandb.")
@click.option("--launcher", metavar="accelerate", help="Train with several processes.")
@click.option(
    "--config", "launcher_config", metavar="NAME|FILE", help="Of the launch: fsdp2, zero3, ddp, cpu or a YAML file."
)
@click.option("--revision", metavar="NAME", help="Revision of a Hub model.")
@click.option("--trust-remote-code", is_flag=True, help="Run Python that comes with the model.")
@click.option("--dry-run", is_flag=True, help="Print the plan: rows, steps, tokens, memory; load no weights.")
@click.option("--fresh", is_flag=True, help="Start over in a new folder beside --out; nothing is deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(source: str, dry_run: bool, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Train a model on a run's preferences: SFT on revisions, then DPO, IPO or both, with the labels' probabilities.

    Or a reward model (--stage reward), or by the constitution itself on answers of its own (--stage grpo).

    RUN|DATASET is a run folder, a dataset folder or file, or a Hub id. Same command again: it resumes, or is done.
    """
    settings = settings_of(source, flags)
    if dry_run:
        return show_plan(settings, as_json)
    if settings.launcher is not None:
        return _launched(settings, as_json)
    from constitutional.training.run import stopped_by_guard, train

    result = train(settings, silent if quiet else say)
    show_result(result, as_json)
    return EXIT_CODES["stopped" if stopped_by_guard(result.record) else result.status]


def settings_of(source: str, flags: dict[str, Any]) -> TrainSettings:
    """What was said on the command line; everything else keeps its default."""
    from constitutional.errors import ConfigError
    from constitutional.training.settings import TrainSettings

    given = {name: value for name, value in flags.items() if value is not None}
    given["stages"] = tuple(_names(given.pop("stage")))
    if "beta" in given:
        given |= _beta(given.pop("beta"))
    if "report_to" in given:
        given["report_to"] = tuple(_names(given["report_to"]))
    if given.get("launcher") not in (None, "accelerate"):
        raise ConfigError(f"--launcher {given['launcher']}: there is one launcher, accelerate")
    if "launcher_config" in given and "launcher" not in given:
        raise ConfigError("--config is of --launcher accelerate")
    settings = TrainSettings(source=source, **given).check()
    settings.check_given(given)
    return settings


def _beta(text: str) -> dict[str, Any]:
    from constitutional.errors import ConfigError

    if text == "sweep":
        return {"sweep": True}
    try:
        return {"beta": float(text)}
    except ValueError as error:
        raise ConfigError(f"--beta {text}: a number, or sweep") from error


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _launched(settings: TrainSettings, as_json: bool) -> int:
    """What can be known to be wrong is said by this process, once, and not by each of the others."""
    from constitutional.training.launch import launch
    from constitutional.training.ready import begin
    from constitutional.training.run import TrainResult, stopped_by_guard, train

    folder, _ = begin(settings)
    if folder.record is not None:
        result = train(settings)
    elif launch(settings.but(out=str(folder.path))):
        result = TrainResult("complete", folder.path, folder.record or {})
    else:
        result = TrainResult("interrupted", folder.path, folder.plan or {})
    show_result(result, as_json)
    return EXIT_CODES["stopped" if stopped_by_guard(result.record) else result.status]
