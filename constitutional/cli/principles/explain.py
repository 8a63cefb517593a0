"""``constitutional principles explain``"""

from __future__ import annotations

from pathlib import Path

import click

from constitutional.core.codec import to_json
from constitutional.errors import UnknownNameError
from constitutional.pipeline.opened import open_run
from constitutional.principles.explain import explain


@click.command("explain")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("prompt_id")
@click.option("--json", "as_json", is_flag=True, help="Print the whole trace as JSON.")
def command(run: Path, prompt_id: str, as_json: bool) -> None:
    """Why this pair, or why none: answers, checks, revisions, verdicts in both orders, the deciding tier.

    PROMPT_ID may be the beginning of an id, as the dataset's column `prompt_id` has it.
    """
    with open_run(run) as opened:
        found = list(opened.traces_of(prompt_id, most=2))
        if not found:
            raise UnknownNameError.among("prompt", prompt_id, opened.some_ids(), f"in {run}")
        if len(found) > 1 and found[0].prompt.id != prompt_id:
            raise UnknownNameError(f"several prompts of {run} begin with {prompt_id!r}: give more of the id")
    click.echo(to_json(found[0]) if as_json else explain(found[0]))
