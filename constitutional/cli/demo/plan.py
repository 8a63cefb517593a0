"""What a demo is made of: its folder, its sizes, and the files that its steps read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from constitutional.errors import UsageError
from constitutional.whole import write_whole, writing

RUN_FILE = Path(__file__).parents[2] / "pocket" / "run.yaml"


@dataclass(frozen=True, slots=True)
class Size:
    prompts: int
    responses: int
    labels: int
    """Pairs that the oracle labels, for the audit of the judge."""
    held_out: int
    answers: int
    """Per held-out prompt and model."""
    epochs: int


WHOLE = Size(prompts=600, responses=4, labels=200, held_out=300, answers=2, epochs=8)
FAST = Size(prompts=120, responses=4, labels=60, held_out=150, answers=1, epochs=6)


@dataclass(frozen=True, slots=True)
class Plan:
    out: Path
    loss: str = "dpo"
    seed: int = 0
    fast: bool = False
    from_scratch: bool = False

    @property
    def size(self) -> Size:
        return FAST if self.fast else WHOLE

    @property
    def base(self) -> str:
        """The model that everything begins with."""
        return f"pocket:seed-{self.seed}" if self.from_scratch else "pocket:base"

    @property
    def data(self) -> Path:
        return self.out / "data"

    @property
    def run_file(self) -> Path:
        return self.out / "run.yaml"

    @property
    def held_out(self) -> Path:
        return self.out / "held-out.jsonl"

    @property
    def labels(self) -> Path:
        return self.out / "labels.jsonl"

    @property
    def model(self) -> Path:
        """Of this loss: another one shares all that comes before."""
        return self.out / f"model-{self.loss}"

    @property
    def evaluation(self) -> Path:
        return self.out / f"evaluation-{self.loss}"

    @property
    def report(self) -> Path:
        return self.out / f"report-{self.loss}.html"

    def begin(self) -> None:
        """Writes what the steps read. A folder is one demo: where something else is in it, it is left alone."""
        from constitutional.pocket.pools import sample, write_prompts

        same = {"demo": 1, "seed": self.seed, "fast": self.fast, "from_scratch": self.from_scratch}
        with writing(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            self._check(same)
            write_prompts(self.out / "prompts.jsonl", sample("generation", self.size.prompts, self.seed))
            write_prompts(self.held_out, sample("held-out", self.size.held_out, self.seed))
            write_whole(self.run_file, yaml.safe_dump(self._run(), sort_keys=False))
            write_whole(self.out / "demo.json", json.dumps(same, indent=2) + "\n")

    def _run(self) -> dict[str, Any]:
        """The shipped run file, over this demo's prompts."""
        run: dict[str, Any] = yaml.safe_load(RUN_FILE.read_text("utf-8"))
        run["models"]["policy"]["name"] = self.base
        return run | {"responses": self.size.responses, "seed": self.seed, "out": "data"}

    def _check(self, same: dict[str, Any]) -> None:
        path = self.out / "demo.json"
        if not path.exists():
            if any(entry.name != ".lock" for entry in self.out.iterdir()):
                raise UsageError(f"{self.out} holds something else than a demo: choose another folder with --out")
            return
        try:
            found = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise UsageError(f"{path}: cannot be read: remove it, or choose another folder with --out") from error
        if found != same:
            changed = ", ".join(
                f"{name} {found.get(name)} → {same[name]}" for name in same if found.get(name) != same[name]
            )
            raise UsageError(f"{self.out} holds another demo ({changed}): choose another folder with --out")


def label(sheet: Path, to: Path) -> None:
    """The oracle fills in a sheet of pairs, as people would."""
    from constitutional.core.records import Message
    from constitutional.pocket import oracle
    from constitutional.pocket.world import read

    def filled() -> Iterable[str]:
        for line in sheet.read_text("utf-8").splitlines():
            row = json.loads(line)
            question = read(tuple(Message(**message) for message in row["messages"]))
            row["label"] = {1: "a", -1: "b", 0: "tie"}[oracle.prefers(question, row["a"], row["b"])]
            yield json.dumps(row, ensure_ascii=False) + "\n"

    with writing(to):
        write_whole(to, "".join(filled()))
