"""TRL's DPO trainer, taught that a label is a probability.

TRL drops every column but its own. This subclass takes rows that are tokenized already (``tokens.py``), keeps `p` and
`weight` beside them, masks user turns inside an answer, and computes the losses of ``losses.py``. The rest is TRL's: the
fused LM head, PEFT as reference, distribution, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl import DPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.utils import add_fused_lm_head, use_adapter

from constitutional.training.trainers.guarding import Careful
from constitutional.training.trainers.losses import Loss
from constitutional.training.trainers.reference import CHOSEN, REJECTED, ReferenceCache
from constitutional.training.trainers.sharing import batch_of, forward, sums
from constitutional.training.trainers.silent import Silent

OURS = ("p", "weight", "chosen_mask", "rejected_mask")


@dataclass
class PairCollator(DataCollatorForPreference):  # type: ignore[misc]
    """A batch as TRL makes it (the chosen half, then the rejected half), with `p`, `weight` and the masks of ours; or, with
    ``share``, of one row a pair (``sharing.py``)."""

    share: bool = False

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = batch_of(examples, self.pad_token_id) if self.share else self._halves(examples)
        names = [name for name in (CHOSEN, REJECTED) if name in examples[0]]
        for name in ("p", "weight", *names):
            batch[name] = torch.tensor([one[name] for one in examples], dtype=torch.float32)
        return batch

    def _halves(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super().torch_call(examples)
        mask = batch["completion_mask"]
        rows = [(one["prompt_ids"], one["chosen_mask"]) for one in examples]
        rows += [(one["prompt_ids"], one["rejected_mask"]) for one in examples]
        for at, (prompt, answer) in enumerate(rows):
            mask[at, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer, dtype=mask.dtype)
        return batch


class PreferenceTrainer(Careful, Silent, DPOTrainer):  # type: ignore[misc]
    """``cache`` holds the reference's log-probabilities; None computes them at every step from a reference model.
    ``share``: a pair's prompt is computed once."""

    def __init__(self, *, loss: Loss, cache: ReferenceCache | None, share: bool = False, **trainer: Any) -> None:
        self._loss = loss
        self._cache = cache
        self._engine: Any = None
        self._sums: dict[str, dict[str, Tensor]] = {"train": {}, "eval": {}}
        tokenizer = trainer["processing_class"]
        super().__init__(data_collator=PairCollator(pad_token_id=tokenizer.pad_token_id, share=share), **trainer)
        policy = self.model.get_base_model() if self._adapter else self.model
        add_fused_lm_head(policy, outputs=("log_probs",))  # TRL's own head also computes metrics that nobody reads here
        self._freeze_reference()

    @property
    def _adapter(self) -> bool:
        from accelerate.utils import is_peft_model

        return bool(is_peft_model(self.model))

    # --- the reference ------------------------------------------------------------------------------------------------

    def _freeze_reference(self) -> None:
        if self._adapter and "ref" in self.model.peft_config:
            if self._cache is not None:
                # It has said all that it will be asked; and a checkpoint with two adapters cannot be resumed from.
                self.model.delete_adapter("ref")
            for name, parameter in self.model.named_parameters():
                if ".ref." in name:
                    parameter.requires_grad_(False)
        if self.ref_model is not None:
            self.ref_model.requires_grad_(False)
            self.ref_model.eval()
        self.check_reference()

    def check_reference(self) -> None:
        """A reference that learns makes every loss here meaningless, and nothing else would show it."""
        reference = self.ref_model
        if reference is not None:
            if reference.training or any(parameter.requires_grad for parameter in reference.parameters()):
                raise RuntimeError("the reference model is not frozen and in eval mode")
        elif self._adapter:
            learning = [
                name
                for name, parameter in self.model.named_parameters()
                if parameter.requires_grad and ("lora_" not in name or ".ref." in name)
            ]
            if learning:
                raise RuntimeError(f"parameters of the reference are trained: {', '.join(learning[:3])}")
        elif not self.precompute_ref_logps:
            raise RuntimeError("there is neither a reference model nor its log-probabilities")

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """From the cache where these very rows were seen by this very model, else computed once and kept there."""
        if CHOSEN in dataset.column_names or self._cache is None:
            return dataset
        return self._cache.attach(dataset, lambda: self._reference_of(dataset, batch_size), self.accelerator)

    def _reference_of(self, dataset: Dataset, batch_size: int) -> tuple[Tensor, Tensor]:
        """In batches of rows of one length, so that little is computed for padding."""
        from torch.utils.data import DataLoader

        lengths = [len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in dataset]
        order = sorted(range(len(lengths)), key=lambda at: (-lengths[at], at))
        loader = self.accelerator.prepare(
            DataLoader(dataset.select(order), batch_size=batch_size, collate_fn=self.data_collator, shuffle=False)
        )
        model = self._reference_engine()
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for batch in loader:
            gathered = self.accelerator.gather_for_metrics(self.compute_ref_log_probs(model, batch))
            for side, values in zip(found, gathered, strict=True):
                side.append(values.float().cpu())
        back = torch.empty(len(order), dtype=torch.long)
        back[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(found[0])[back], torch.cat(found[1])[back]

    def _reference_engine(self) -> Any:
        """What the reference's forward runs on before the policy is prepared for training: as TRL has it."""
        from trl.models import prepare_deepspeed

        if self.ref_model is None and self.is_deepspeed_enabled:
            if self._engine is None:
                self._engine = prepare_deepspeed(self.model, self.accelerator)
            return self._engine
        model = self.ref_model or self.model
        model.eval()
        return model

    def compute_ref_log_probs(self, model: Any, inputs: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        if self.ref_model is not None and self.ref_model.training:
            raise RuntimeError("the reference model is not in eval mode")
        adapter: AbstractContextManager[Any] = nullcontext()
        if self.ref_model is None and self._adapter:
            policy = self.accelerator.unwrap_model(self.model)
            adapter = use_adapter(policy, adapter_name="ref" if "ref" in policy.peft_config else None)
        checkpointed = disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs)
        with torch.no_grad(), checkpointed, adapter, self.accelerator.autocast():
            return self.log_probabilities(inputs, model)

    # --- rows and batches ---------------------------------------------------------------------------------------------

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """The rows are tokens already."""
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        self._signature_columns += [name for name in OURS if name not in self._signature_columns]

    # --- the loss -----------------------------------------------------------------------------------------------------

    def log_probabilities(self, inputs: Mapping[str, Any], model: Any = None) -> tuple[Tensor, Tensor]:
        """Of the chosen and the rejected answers, under the policy unless another model is given."""
        model = self.model if model is None else model
        return sums(inputs, forward(model, inputs).log_probs)

    def _compute_loss(self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False) -> Any:
        outputs = forward(model, inputs)
        chosen, rejected = sums(inputs, outputs.log_probs)
        if self.precompute_ref_logps:
            ref_chosen, ref_rejected = inputs[CHOSEN], inputs[REJECTED]
        else:
            ref_chosen, ref_rejected = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
        counts = sums(inputs, torch.ones_like(outputs.log_probs))
        chosen_tokens, rejected_tokens = (count.clamp(min=1) for count in counts)
        chosen_ratio, rejected_ratio = chosen - ref_chosen, rejected - ref_rejected
        delta = chosen_ratio - rejected_ratio
        mean_delta = chosen_ratio / chosen_tokens - rejected_ratio / rejected_tokens
        per_pair = self._loss(delta, mean_delta, inputs["p"].to(delta.dtype))
        beta = self._loss.reward_beta
        self._note(
            {
                "rewards/chosen": beta * chosen_ratio,
                "rewards/rejected": beta * rejected_ratio,
                "rewards/margins": beta * delta,
                "rewards/accuracies": (delta > 0).float() + 0.5 * (delta == 0).float(),
                "logps/chosen": chosen,
                "logps/rejected": rejected,
                "logratios/chosen": chosen_ratio,
                "logratios/rejected": rejected_ratio,
                "tokens/chosen": chosen_tokens,
                "tokens/rejected": rejected_tokens,
            }
        )
        loss = (per_pair * inputs["weight"].to(delta.dtype)).mean()
        return (loss, outputs) if return_outputs else loss

    def _note(self, values: Mapping[str, Tensor]) -> None:
        """Sums over rows, kept on the device: the numbers are read when they are logged and not at every batch."""
        sums = self._sums["train" if self.model.training else "eval"]
        for name, value in values.items():
            value = value.detach().double().sum()
            sums[name] = sums[name] + value if name in sums else value
        rows = next(iter(values.values()))
        count = torch.tensor(len(rows), dtype=torch.float64, device=rows.device)
        sums["rows"] = sums["rows"] + count if "rows" in sums else count

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Means over the rows since the last time, over all processes."""
        mode = "train" if self.model.training else "eval"
        sums, self._sums[mode] = self._sums[mode], {}
        if sums:
            totals = self.accelerator.reduce(torch.stack(list(sums.values())), reduction="sum").tolist()
            means = dict(zip(sums, totals, strict=True))
            rows = means.pop("rows")
            prefix = "eval_" if mode == "eval" else ""
            logs.update({f"{prefix}{name}": total / rows for name, total in means.items()})
        self._metrics[mode].clear()
        super().log(logs, start_time)
