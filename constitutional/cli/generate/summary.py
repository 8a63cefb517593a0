"""The end of a run, on stdout and in the folder's log."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from constitutional.cli.generate.out import batch_json, stays_out
from constitutional.core.plain import one_line, plain
from constitutional.core.records import Reason
from constitutional.ledger import LedgerView, RunFolder, SentBatch, open_batches
from constitutional.pipeline.state import RunState
from constitutional.roles import RunResult

WORDS = {
    "complete": "complete",
    "budget": "stopped at its budget",
    "interrupted": "interrupted",
    "too-many-failures": "too many failures",
}
SHOWN = 240
"""Characters of what a failure said."""
FAILED_PROMPTS = """
SELECT reason, min(position), prompt_id, detail FROM rejects JOIN traces USING (prompt_id)
WHERE failure AND session = ? GROUP BY reason
"""
BAD_ROWS = "SELECT reason, min(position), source, detail FROM rows WHERE failure AND session = ? GROUP BY reason"


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that has ended, and what its ledger says of it, read once."""

    folder: RunFolder
    result: RunResult
    state: RunState
    failures: Mapping[str, str]
    batches: Sequence[SentBatch]

    @classmethod
    def of(cls, folder: RunFolder, result: RunResult, state: RunState) -> Ended:
        failures = first_failures(folder.ledger) if result.failures else {}
        return cls(folder, result, state, failures, open_batches(folder.ledger))

    def json(self, warnings: Sequence[str] = ()) -> dict[str, Any]:
        """``warnings``: what is odd in the settings or, as the watch finds, in the dataset."""
        result = self.result
        roles = [
            {
                "role": role, "model": model, "calls": count.made, "reused": count.reused, "prompt_tokens": count.prompt,
                "completion_tokens": count.completion, "cached_tokens": count.cached, "cost": round(count.cost, 6),
            }
            for (role, model), count in sorted(self.state.meter.counts.items())
        ]  # fmt: skip
        return {
            "run": str(self.folder.path),
            "dataset": str(self.folder.dataset),
            "status": result.status,
            "message": result.message,
            "prompts": result.prompts,
            "pairs": result.pairs,
            "rejects": dict(result.rejects),
            "failures": result.failures,
            "first_failures": dict(self.failures),
            "calls_made": result.calls_made,
            "calls_reused": result.calls_reused,
            "roles": roles,
            "batches_out": [batch_json(batch) for batch in self.batches],
            "warnings": list(warnings),
        }

    def log(self) -> bool:
        """One line per session in ``logs/sessions.jsonl``. True for the folder's first."""
        path = self.folder.logs / "sessions.jsonl"
        first = not path.exists()
        line = {"ended": time.strftime("%Y-%m-%dT%H:%M:%S%z")} | self.json()
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return first

    def show(self, warnings: Sequence[str], *, as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps(self.json(warnings), indent=2, ensure_ascii=False))
            return
        folder, result, state = self.folder, self.result, self.state
        click.echo(f"{folder.path}: {WORDS[result.status]}: {result.prompts:,} prompts, {result.pairs:,} pairs")
        if result.message and result.status != "interrupted":
            click.echo(plain(result.message))
        for reason, count in sorted(result.rejects.items(), key=lambda item: -item[1]):
            what = "revision not kept" if reason in Reason.OF_REVISIONS else "no pair"
            click.echo(f"  {what}: {one_line(reason):<24} {count:,}")
            if reason in self.failures:
                click.echo(f"    {one_line(self.failures[reason], SHOWN)}")
        for (role, model), done in sorted(state.meter.counts.items()):
            cost = f"  cost {done.cost:.4f}" if done.cost else ""
            click.echo(
                f"  {role:<8} {model:<34} {done.made:,} calls, {done.reused:,} reused, "
                f"{done.prompt:,} + {done.completion:,} tokens{cost}"
            )
        for warning in warnings:
            click.echo(f"  watch: {one_line(warning)}")
        if folder.dataset.is_dir():
            click.echo(f"dataset: {folder.dataset}")
        for line in stays_out(self.batches, needed=result.status != "complete"):
            click.echo(line)
        if result.status != "complete" and state.seen != state.total:
            click.echo("run the same command again to go on where it stopped")


def first_failures(ledger: Path) -> dict[str, str]:
    """Reason → the first prompt or line that failed for it, and how: a reason alone does not tell what to mend."""
    with LedgerView(ledger) as view:
        found = [row for select in (FAILED_PROMPTS, BAD_ROWS) for row in view.rows(select, view.session)]
    return {reason: f"{where}: {detail}" for reason, _, where, detail in found}
