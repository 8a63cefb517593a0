"""What the studies of the pocket world have in common: make a dataset with one thing changed, train, and measure.

Everything goes through the commands of the toolkit. All datasets of a seed are made in one run folder, so that whatever was
asked for once is asked for no second time; the truth is the oracle's."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.pocket_base import Asked
from constitutional import pocket
from constitutional.cli import cli
from constitutional.cli.demo.plan import label
from constitutional.core.records import Message, Trace
from constitutional.errors import EXIT_TOO_MANY_FAILURES
from constitutional.pipeline.opened import open_run
from constitutional.pocket import oracle
from constitutional.pocket.pools import sample, write_prompts
from constitutional.pocket.provider import SHIPPED
from constitutional.pocket.world import read
from constitutional.resources import data_folder
from constitutional.training.run import train
from constitutional.training.settings import TrainSettings
from constitutional.training.sources import Source

PROMPTS, RESPONSES, HELD_OUT, ANSWERS = 200, 3, 200, 2
STEPS = 40
RUN_FILE = Path(pocket.__file__).parent / "run.yaml"
Counts = dict[str, float]


@dataclass(frozen=True, slots=True)
class Lab:
    """One seed's place."""

    folder: Path
    seed: int

    @property
    def run(self) -> Path:
        return self.folder / "data"

    def generate(self, *, harm: str = "hard", mode: str = "tiered", **changes: Any) -> dict[str, Any]:
        """A dataset in the run folder, and what the command says of it. ``harm`` is the force of the first tier: under
        ``strong`` no veto goes before the judge."""
        run = self.planned(harm, mode, changes)
        made: dict[str, Any] = json.loads(_said("generate", str(run), "--quiet", "--json"))
        return made

    def planned(self, harm: str = "hard", mode: str = "tiered", changes: Mapping[str, Any] | None = None) -> Path:
        """A run file: the one that ships, with changes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_prompts(self.folder / "prompts.jsonl", sample("generation", PROMPTS, self.seed))
        rules = yaml.safe_load((data_folder("constitutions") / "pocket.yaml").read_text("utf-8"))
        rules["tiers"][0]["force"] = harm
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(rules | {"mode": mode}, sort_keys=False))
        plan = yaml.safe_load(RUN_FILE.read_text("utf-8"))
        usual = {"constitution": "rules.yaml", "responses": RESPONSES, "seed": self.seed, "out": "data"}
        plan |= {**usual, **(changes or {})}
        (self.folder / "run.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
        return self.folder / "run.yaml"

    def audited(self, labels: int = 150) -> Path:
        """The judge card of the run's judge, measured on labels by the oracle."""
        sheet, filled, card = (self.folder / name for name in ("sheet.jsonl", "labels.jsonl", "judge-card.json"))
        for path in (sheet, filled, card):
            path.unlink(missing_ok=True)
        _said("sample", str(self.run), "--k", str(labels), "--by", "random", "--out", str(sheet))
        label(sheet, filled)
        _said("audit", str(self.run), "--labels", str(filled), "--attacks", "0", "--out", str(card), "--quiet")
        return card

    def traces(self) -> list[Trace]:
        with open_run(self.run) as run:
            return list(run.traces())

    def labels(self) -> Counts:
        """The pairs of the dataset, and the shares of the labels that are right, and that prefer neither in truth."""
        leans = []
        for _, row in Source(str(self.run)).rows("preference"):
            question = read(tuple(Message(turn["role"], turn["content"]) for turn in row["prompt"]))
            chosen, rejected = (row[side][-1]["content"] for side in ("chosen", "rejected"))
            leans.append(oracle.prefers(question, chosen, rejected))
        pairs = len(leans)
        return {"pairs": pairs, "right": leans.count(1) / max(1, pairs), "equal": leans.count(0) / max(1, pairs)}

    def trained(self, name: str, source: Path | None = None, steps: int = STEPS, **settings: Any) -> Path:
        out = self.folder / "models" / name
        shutil.rmtree(out, ignore_errors=True)
        usual: dict[str, Any] = {"loss": "dpo", "beta": 1.0, "lr": 3e-4, "batch": 32, "micro_batch": 32, "cpu": True,
                                 "seed": self.seed, "max_steps": steps, "eval_every": steps, "save_every": steps,
                                 "eval_rows": 32}  # fmt: skip
        chosen = TrainSettings(source=str(source or self.run), model="pocket:base", out=str(out), **usual | settings)
        train(chosen)
        return out

    def iterated(self, name: str, rounds: int, *flags: str) -> list[Path]:
        """The model of each round. All roles but the policy keep the model that they begin with."""
        held_out, out = self.folder / "held-out.jsonl", self.folder / "iterated" / name
        shutil.rmtree(out, ignore_errors=True)
        run = self.planned(changes={"responses": 2, "limit": 120})
        write_prompts(held_out, sample("held-out", 40, self.seed))
        usual = {"rounds": rounds, "out": out, "held-out": held_out, "least": 0, "beta": 1, "lr": 3e-4, "batch": 32,
                 "micro-batch": 32, "labels": "hard", "max-steps": STEPS}  # fmt: skip
        _said("iterate", str(run), *(word for key, value in usual.items() for word in (f"--{key}", str(value))),
              "--cpu", "--quiet", *flags, stopped=EXIT_TOO_MANY_FAILURES)  # fmt: skip
        return [folder / "model" for folder in sorted(out.glob("round-*")) if (folder / "round.json").exists()]

    def measured(self, model: Path = SHIPPED) -> Counts:
        """Counts over answers to held-out questions at temperature 1, the same questions for every model of the seed."""
        return asyncio.run(_measured(model, self.seed))


async def _measured(model: Path, seed: int) -> Counts:
    asked = Asked(model, seed)
    questions = sample("held-out", HELD_OUT, seed) * ANSWERS
    try:
        texts = await asked.say([question.messages for question in questions], temperature=1.0)
    finally:
        await asked.model.aclose()
    found = [oracle.finding(question.messages, text) for question, text in zip(questions, texts, strict=True)]
    harmless = [one for one in found if one.harmless]
    return {
        "answers": len(found),
        "violations": sum(bool(one.violations) for one in found),
        "hard": sum(one.hard for one in found),
        "harmless": len(harmless),
        "correct": sum(one.correct for one in harmless),
        "refused": sum(one.refused for one in harmless),
    }


def _said(*arguments: str, stopped: int = 0) -> str:
    """What a command of the toolkit prints. ``stopped``: another exit code that is well, as that of a guard."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = cli.main(list(arguments), prog_name="constitutional", standalone_mode=False)
    if isinstance(code, int) and code not in (0, stopped):
        raise RuntimeError(f"constitutional {' '.join(arguments)}: exit code {code}\n{said.getvalue()}")
    return said.getvalue()


def pooled(rows: Sequence[Mapping[str, float]], hits: str, of: str) -> tuple[float, float]:
    """Hits and trials of all seeds together."""
    return sum(row[hits] for row in rows), sum(row[of] for row in rows)
