"""How fast a model is trained on pairs, beside TRL's own trainer as it comes, and beside what the arithmetic allows.

    python -m benchmarks.train_gpu [--sizes 0.5b,7b] [--kinds full,lora] [--steps 6] [--batch 32] [--json] [--save]
    python -m benchmarks.train_gpu --sizes toy --cpu                                  (whether it runs, on a CPU)

Random Qwen2-shaped models, random texts, no network and no file of weights: the same batch, the same precision, the same
rows, each trainer in a process of its own. TRL's is `DPOTrainer` with every setting left as it is but batch, steps and
precision. Ours is what `constitutional train` builds; its reference pass is counted, spread over one epoch. The limit is
the arithmetic of a forward and a backward pass of the policy and a forward pass of the reference, over the rate of one large
matrix product on the same device."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.measure import command_line, report, table

SIZES: dict[str, dict[str, Any]] = {
    "toy": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 1, "vocab_size": 1024, "tie_word_embeddings": True},
    "0.5b": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
             "num_key_value_heads": 2, "vocab_size": 151_936, "tie_word_embeddings": True},
    "7b": {"hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
           "num_key_value_heads": 4, "vocab_size": 152_064, "tie_word_embeddings": False},
}  # fmt: skip
MICRO = {"toy": 4, "0.5b": 8, "7b": 2}
PROMPT, ANSWER = (64, 448), (64, 448)
"""Least and most tokens, about; a toy has an eighth."""
WARM_UP = 2
RANK = 16
WORDS = ("fox", "dog", "kind", "help", "reply", "letter", "number", "answer", "quick", "brown", "lazy", "capital")


# --- one trainer, in a process of its own -----------------------------------------------------------------------------


def one(case: dict[str, Any]) -> dict[str, Any]:
    import torch

    rows = texts(case)
    tokenizer = _tokenizer(Path(case["folder"]) / "words")
    seconds, reference, count = (_trls if case["who"] == "trl" else _ours)(case, rows, tokenizer)
    cuda = torch.cuda.is_available() and not case["cpu"]
    return {
        "pairs_per_second": case["batch"] * len(seconds) / sum(seconds),
        "reference_seconds_per_pair": reference,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else _resident(),
        "tokens": count,
    }


def texts(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Pairs of random words: as many as all steps take."""
    draw = Random(0)
    shrink = 8 if case["size"] == "toy" else 1

    def words(least: int, most: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(least // shrink, most // shrink)))

    return [
        {
            "prompt": [{"role": "user", "content": words(*PROMPT)}],
            "chosen": [{"role": "assistant", "content": f"{words(*ANSWER)} {number} yes"}],
            "rejected": [{"role": "assistant", "content": f"{words(*ANSWER)} {number} no"}],
        }
        for number in range(case["batch"] * (case["steps"] + WARM_UP))
    ]


def _tokenizer(folder: Path) -> Any:
    """Of words that are one token each; its vocabulary is far smaller than the model's, and that costs nothing."""
    from transformers import AutoTokenizer

    from tests.support.tiny_model import make_tiny_model

    make_tiny_model(folder, text="\n".join(f"The {word} is {word} yes no" for word in WORDS))
    return AutoTokenizer.from_pretrained(folder)


def _model(case: dict[str, Any], tokenizer: Any) -> Any:
    """On the device at once. Weights that are trained are float32, frozen ones bfloat16 where there is a GPU."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    cuda = torch.cuda.is_available() and not case["cpu"]
    torch.manual_seed(0)
    config = Qwen2Config(
        **SIZES[case["size"]], max_position_embeddings=2048, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    dtype = torch.bfloat16 if cuda and case["kind"] == "lora" else torch.float32
    with torch.device("cuda" if cuda else "cpu"):
        return Qwen2ForCausalLM._from_config(config, dtype=dtype)


def _ours(
    case: dict[str, Any], rows: list[dict[str, Any]], tokenizer: Any
) -> tuple[list[float], float, dict[str, float]]:
    """As the stage ``dpo`` builds it, but for the model, which comes from no file."""
    from datasets import Dataset
    from trl import DPOConfig

    from constitutional.training.data import Part
    from constitutional.training.rows import Preference, preference_of
    from constitutional.training.schedule import Schedule
    from constitutional.training.settings import TrainSettings
    from constitutional.training.tokens import Speech, pair_tokens
    from constitutional.training.trainers.arguments import BEST, arguments
    from constitutional.training.trainers.losses import Loss
    from constitutional.training.trainers.policy import Device
    from constitutional.training.trainers.preference import PreferenceTrainer
    from constitutional.training.trainers.reference import ReferenceCache

    settings = TrainSettings(
        source="", model="", out="", batch=case["batch"], micro_batch=case["micro"], cpu=case["cpu"],
        gradient_checkpointing=case["checkpointing"], lora=RANK if case["kind"] == "lora" else None,
    )  # fmt: skip
    made = [preference_of(row) for row in rows]
    part = Part(train=[row for row in made if isinstance(row, Preference)], held_out=[])
    part.held_out = part.train[:1]
    tokens = pair_tokens(part, Speech(tokenizer), 2048, "hard")
    device = Device.of(settings, adapter=settings.lora is not None)
    steps = case["steps"] + WARM_UP
    schedule = Schedule(steps, case["batch"] // case["micro"], case["micro"], steps, steps, steps)
    config = arguments(settings, schedule, device, Path(case["folder"]), lr=1e-6, best=BEST, resumed=False)
    config |= {"eval_strategy": "no", "eval_on_start": False, "save_strategy": "no"}
    model = _model(case, tokenizer)
    if settings.lora is not None:
        import peft

        model = peft.get_peft_model(model, _lora())
    reference = [0.0]

    class Timed(PreferenceTrainer):
        def _reference_of(self, dataset: Any, batch_size: int) -> Any:
            began = time.monotonic()
            found = super()._reference_of(dataset, batch_size)
            reference[0] = (time.monotonic() - began) / len(dataset)
            return found

    trainer = Timed(
        loss=Loss.named("dpo", beta=0.1, ipo_beta=0.1, alpha=1.0),
        cache=ReferenceCache(Path(case["folder"]) / "reference", "random"),
        share=case["who"] == "shared",
        model=model,
        args=DPOConfig(**config, precompute_ref_log_probs=True),
        train_dataset=Dataset.from_list(tokens.train),
        processing_class=tokenizer,
    )
    return _timed(trainer), reference[0], _counted(tokens.train)


def _trls(
    case: dict[str, Any], rows: list[dict[str, Any]], tokenizer: Any
) -> tuple[list[float], float, dict[str, float]]:
    """`DPOTrainer` as it comes. It would load its reference from the disk: here it is a copy in memory, as that would be."""
    import copy

    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    model = _model(case, tokenizer)
    adapter = case["kind"] == "lora"
    args = DPOConfig(
        output_dir=case["folder"], per_device_train_batch_size=case["micro"],
        gradient_accumulation_steps=case["batch"] // case["micro"], max_steps=case["steps"] + WARM_UP,
        bf16=not case["cpu"], use_cpu=case["cpu"], report_to=[], save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = DPOTrainer(
        model=model,
        ref_model=None if adapter else copy.deepcopy(model),
        args=args,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=_lora() if adapter else None,
    )
    return _timed(trainer), 0.0, {}


def _lora() -> Any:
    import peft

    return peft.LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")


def _timed(trainer: Any) -> list[float]:
    """Seconds of every step after the warm-up."""
    import torch
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ends.append(time.monotonic())

    trainer.add_callback(Clock())
    trainer.train()
    return [later - sooner for sooner, later in zip(ends[WARM_UP - 1 :], ends[WARM_UP:], strict=False)]


def _counted(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Per pair: all tokens of both dialogues, those of the answers, and the sum of squared lengths, for attention."""
    both = [(len(row["prompt_ids"]), len(row[f"{side}_ids"])) for row in rows for side in ("chosen", "rejected")]
    return {
        "all": sum(prompt + answer for prompt, answer in both) / len(rows),
        "answers": sum(answer for _, answer in both) / len(rows),
        "squared": sum((prompt + answer) ** 2 for prompt, answer in both) / len(rows),
    }


def _resident() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# --- the limit --------------------------------------------------------------------------------------------------------


def flops_per_pair(size: str, kind: str, tokens: dict[str, float]) -> float:
    """Policy forward and backward, reference forward. Under an adapter the frozen weights get no gradient."""
    shape = SIZES[size]
    hidden, layers, inner = shape["hidden_size"], shape["num_hidden_layers"], shape["intermediate_size"]
    narrow = hidden * shape["num_key_value_heads"] // shape["num_attention_heads"]
    block = layers * (2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * inner)
    forward = 2 * block * tokens["all"] + 2 * hidden * shape["vocab_size"] * tokens["answers"]
    attention = 2 * layers * hidden * tokens["squared"]  # two products over the half that is seen
    passes = 4 if kind == "full" else 3  # forward of two models, and backward: twice a forward, or once
    return float(passes * forward + 4 * attention)


def matrix_rate(cpu: bool) -> float:
    """FLOP/s of one large product, bfloat16 on a GPU and float32 on a CPU; the best of a few."""
    import torch

    cuda = torch.cuda.is_available() and not cpu
    side, dtype = (8192, torch.bfloat16) if cuda else (512, torch.float32)
    a, b = (torch.randn(side, side, device="cuda" if cuda else "cpu", dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        began = time.monotonic()
        for _ in range(5):
            a @ b
        if cuda:
            torch.cuda.synchronize()
        best = max(best, 5 * 2 * side**3 / (time.monotonic() - began))
    return best


# --- all of them ------------------------------------------------------------------------------------------------------


def measure(sizes: Sequence[str], kinds: Sequence[str], batch: int, steps: int, cpu: bool) -> dict[str, Any]:
    rate = _alone({"rate": True, "cpu": cpu})["rate"]
    cases = [_pair_of(size, kind, batch, steps, cpu, rate) for size in sizes for kind in kinds]
    return {"device": _device(cpu), "batch": batch, "steps": steps, "matrix_rate": rate, "cases": cases}


def _pair_of(size: str, kind: str, batch: int, steps: int, cpu: bool, rate: float) -> dict[str, Any]:
    base = {"size": size, "kind": kind, "batch": batch, "steps": steps, "cpu": cpu, "micro": min(batch, MICRO[size])}
    found: dict[str, Any] = {"size": size, "kind": kind, "micro": base["micro"]}
    found["trl"] = _alone(base | {"who": "trl", "checkpointing": True})
    ours = _alone(base | {"who": "ours", "checkpointing": False})
    if "failed" in ours:
        ours = _alone(base | {"who": "ours", "checkpointing": True})
    found["ours"] = ours
    found["shared"] = _alone(base | {"who": "shared", "checkpointing": bool(ours.get("checkpointing"))})
    if "failed" not in found["shared"]:
        found["shared_whole"] = _whole(found["shared"])
    if "failed" not in ours:
        whole = _whole(ours)
        limit = rate / flops_per_pair(size, kind, ours["tokens"])
        found |= {"whole": whole, "limit": limit, "share": whole / limit}
        if "failed" not in found["trl"]:
            found["ratio"] = whole / found["trl"]["pairs_per_second"]
    return found


def _whole(found: dict[str, Any]) -> float:
    """Pairs per second of one epoch, the reference pass before it included."""
    return float(1 / (1 / found["pairs_per_second"] + found["reference_seconds_per_pair"]))


def _alone(case: dict[str, Any]) -> dict[str, Any]:
    """In a process of its own. What does not fit is a finding."""
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "CI": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.train_gpu", "--case", json.dumps(case | {"folder": folder})]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | quiet, check=False)
    if done.returncode == 0:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result | {"checkpointing": case.get("checkpointing")}
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    if not any("out of memory" in line for line in said):
        print("\n".join(said[-15:]), file=sys.stderr)
    return {"failed": "out of memory" if any("out of memory" in line for line in said) else said[-1]}


def _device(cpu: bool) -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() and not cpu else "CPU"


def details(figures: dict[str, Any]) -> str:
    head = (
        "model", "trained", "TRL, pairs/s", "ours, pairs/s", "with the reference pass", "ratio", "limit", "share",
        "prompts shared", "TRL, peak", "ours, peak",
    )  # fmt: skip
    rows = [_row(case) for case in figures["cases"]]
    return (
        f"{table(head, rows)}\n\n{figures['device']}: {figures['matrix_rate'] / 1e12:.3g} TFLOP/s in one large product. "
        f"{figures['batch']} pairs a step, {figures['steps']} steps after {WARM_UP} of warm-up. The ratio and the share are "
        "of ours with its reference pass, over one epoch; so is the speed with `--share-prompts`."
    )


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    def speed(who: str) -> str:
        found = case[who]
        noted = " (checkpointing)" if found.get("checkpointing") and who == "ours" else ""
        return str(found["failed"]) if "failed" in found else f"{found['pairs_per_second']:.3g}{noted}"

    def peak(who: str) -> str:
        return "" if "failed" in case[who] else f"{case[who]['peak_bytes'] / 2**30:.1f} GiB"

    def figure(name: str, form: str) -> str:
        return format(case[name], form) if name in case else ""

    return (
        case["size"], case["kind"], speed("trl"), speed("ours"), figure("whole", ".3g"), figure("ratio", ".2f"),
        figure("limit", ".3g"), figure("share", ".0%"), figure("shared_whole", ".3g"), peak("trl"), peak("ours"),
    )  # fmt: skip


def main() -> None:
    parser = command_line("train_gpu", __doc__)
    parser.add_argument("--sizes", default="0.5b,7b", help=", ".join(SIZES))
    parser.add_argument("--kinds", default="full,lora")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case = json.loads(options.case)
        print(json.dumps({"rate": matrix_rate(case["cpu"])} if "rate" in case else one(case)))
        return
    figures = measure(options.sizes.split(","), options.kinds.split(","), options.batch, options.steps, options.cpu)
    report(options, figures, details)


if __name__ == "__main__":
    main()
