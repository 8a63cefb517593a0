"""``--loss orpo``: imitation of the chosen answer and an odds ratio against the rejected one, with no reference model.

TRL keeps it among its experimental trainers. Rows are tokenized already; what TRL would do to texts is passed over."""

from __future__ import annotations

import os
from typing import Any

from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import TokenRows
from constitutional.training.trainers.arguments import BEST
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.pairs import sampler_of, tokens_of
from constitutional.training.trainers.silent import Silent

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the user is told by us

from trl.experimental.orpo import ORPOConfig, ORPOTrainer


class OddsRatioTrainer(Silent, ORPOTrainer):  # type: ignore[misc]
    ref_model = None
    """Samples are compared with the model as it was all the same."""

    def tokenize_row(self, feature: dict[str, Any], model: Any = None) -> dict[str, Any]:
        """It is done."""
        return feature


def run(work: Work) -> Outcome:
    bench = Bench.of(work)
    rows = tokens_of(bench)
    trainer = make_trainer(bench, rows)
    return fit(trainer, work, rows, bench.checkpoint, sampler_of(trainer, bench, rows))


def make_trainer(bench: Bench, rows: TokenRows) -> OddsRatioTrainer:
    settings = bench.work.settings
    model = bench.policy()
    common = bench.arguments(bench.schedule(rows, settings.epochs), settings.lr, best=BEST)
    common |= {"max_length": settings.max_length, "remove_unused_columns": False, "beta": settings.beta}
    return OddsRatioTrainer(model=model, args=ORPOConfig(**common), **bench.data(rows, _columns))


def _columns(row: dict[str, Any]) -> dict[str, list[int]]:
    """As this trainer names them; only what the assistant says has a label."""
    prompt = row["prompt_ids"]
    found = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
    for side in ("chosen", "rejected"):
        ids, mask = row[f"{side}_ids"], row[f"{side}_mask"]
        labels = [token if said else -100 for token, said in zip(ids, mask, strict=True)]
        found |= {
            f"{side}_input_ids": prompt + ids,
            f"{side}_attention_mask": [1] * (len(prompt) + len(ids)),
            f"{side}_labels": [-100] * len(prompt) + labels,
        }
    return found
