"""The stage ``sft``: imitation of revised answers, with the loss on the answers alone."""

from __future__ import annotations

from trl import SFTConfig, SFTTrainer

from constitutional.training.data import limited_held_out
from constitutional.training.stages import Outcome, Work
from constitutional.training.tokens import Speech, TokenRows, answer_rows
from constitutional.training.trainers.bench import Bench
from constitutional.training.trainers.fit import fit
from constitutional.training.trainers.guarding import Careful
from constitutional.training.trainers.silent import Silent


class ImitationTrainer(Careful, Silent, SFTTrainer):  # type: ignore[misc]
    """SFT."""


def run(work: Work) -> Outcome:
    settings, bench = work.settings, Bench.of(work)
    part = limited_held_out(work.data.answers, settings.eval_rows, settings.seed)
    rows = answer_rows(part, Speech(bench.tokenizer), settings.max_length or 0)
    return fit(make_trainer(bench, rows), work, rows, bench.checkpoint)


def make_trainer(bench: Bench, rows: TokenRows) -> ImitationTrainer:
    settings = bench.work.settings
    model = bench.policy()
    common = bench.arguments(bench.schedule(rows, settings.sft_epochs), settings.sft_lr, best="eval_loss")
    config = SFTConfig(**common, packing=False, shuffle_dataset=False)
    return ImitationTrainer(model=model, args=config, **bench.data(rows))
