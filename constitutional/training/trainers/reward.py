"""The stage ``reward``: a model that grades an answer with one number, from the same pairs, with the labels' probabilities.

Its folder is a sequence classifier with one output, which the judge and the scorer ``reward-model`` take as it is. So an
adapter is always worked in. Rewards are kept around nought: the scorer reads them as σ(reward)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import logsigmoid
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer
from trl.trainer.reward_trainer import DataCollatorForPreference, suppress_seqcls_warning

from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.arguments import BEST
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.pairs import tokens_of
from constitutional.training.trainers.policy import adapter_for, load_as, load_frozen
from constitutional.training.trainers.silent import Silent

CENTER = 0.01
"""How strongly rewards are held around nought, as published."""
OURS = ("p", "weight")
NAMES = {"accuracy": "rewards/accuracies", "margin": "rewards/margins"}


@dataclass
class GradeCollator(DataCollatorForPreference):  # type: ignore[misc]
    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        for name in OURS:
            batch[name] = torch.tensor([one[name] for one in examples], dtype=torch.float32)
        return batch


class GradeTrainer(Silent, RewardTrainer):  # type: ignore[misc]
    """−[p·log σ(d) + (1 − p)·log σ(−d)], d being the difference of the two rewards; with p = 1 it is TRL's own."""

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += [name for name in OURS if name not in self._signature_columns]

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        p, weight = (inputs[name] for name in OURS)
        rest = {name: value for name, value in inputs.items() if name not in OURS}
        _, outputs = super().compute_loss(model, rest, True, num_items_in_batch)  # for what it measures
        chosen, rejected = outputs.logits.squeeze(-1).float().chunk(2)
        difference = chosen - rejected
        per_pair = -p * logsigmoid(difference) - (1 - p) * logsigmoid(-difference)
        centered = ((chosen + rejected) ** 2).mean()
        loss = (weight * per_pair).mean() + self.args.center_rewards_coefficient * centered
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        mode = "train" if self.model.training else "eval"
        for theirs, ours in NAMES.items():
            if theirs in self._metrics[mode]:
                self._metrics[mode][ours] = self._metrics[mode].pop(theirs)
        super().log(logs, start_time)


def run(work: Work) -> Outcome:
    bench = Bench.of(work, whole=True)
    rows = tokens_of(bench)
    return fit(make_trainer(bench, rows), work, rows, bench.checkpoint)


def make_trainer(bench: Bench, rows: TokenRows) -> GradeTrainer:
    settings = bench.work.settings
    model = bench.checked(load_grader(bench))
    common = bench.arguments(bench.schedule(rows, settings.epochs), settings.lr, best=BEST)
    return GradeTrainer(
        model=model,
        args=RewardConfig(**common, center_rewards_coefficient=CENTER),
        data_collator=GradeCollator(pad_token_id=bench.tokenizer.pad_token_id),
        **bench.data(rows, _columns),
    )


def load_grader(bench: Bench) -> Any:
    """The model with a head of one output instead of its words: a new one, unless it is a reward model already. An
    adapter that it comes with is worked in."""
    settings, start, device = bench.work.settings, bench.start, bench.device
    torch.manual_seed(settings.seed)
    with suppress_seqcls_warning():
        model = load_as(AutoModelForSequenceClassification, start, settings, device, num_labels=1)
    if start.adapter is not None:
        import peft

        merged = peft.PeftModel.from_pretrained(load_frozen(start, settings, device), start.adapter).merge_and_unload()
        model.base_model.load_state_dict(merged.base_model.state_dict())
    if settings.lora is None:
        return model
    return adapter_for(model, settings, task="SEQ_CLS", whole=["score"])


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    sides = {f"{side}_ids": row["prompt_ids"] + row[f"{side}_ids"] for side in ("chosen", "rejected")}
    return sides | {name: row[name] for name in OURS}
