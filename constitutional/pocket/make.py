"""Makes what ships with the toolkit: ``python -m constitutional.pocket.make`` trains the base model into ``model/``, and
``--prompts`` writes ``prompts.jsonl``.

Weights made elsewhere differ in their last bits and behave the same: ``python -m benchmarks.pocket_base`` measures it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from constitutional.pocket.corpus import Amounts
from constitutional.pocket.pools import sample, write_prompts
from constitutional.pocket.provider import SHIPPED

PROMPTS = Path(__file__).parent / "prompts.jsonl"
SHIPPED_PROMPTS = 200
SEED = 0


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, help="The model's folder.")
@click.option("--seed", default=SEED, show_default=True)
@click.option("--amount", default=1.0, show_default=True, help="Size of the corpus, as a share of the usual one.")
@click.option("--prompts", is_flag=True, help="Write the prompts that ship, and train nothing.")
def main(out: Path, seed: int, amount: float, prompts: bool) -> None:
    if prompts:
        write_prompts(PROMPTS, sample("generation", SHIPPED_PROMPTS))
        return
    from constitutional.pocket.scratch import make

    began = time.monotonic()

    def tell(done: int, steps: int, loss: float) -> None:
        if done % 100 == 0 or done == steps:
            print(f"step {done}/{steps} loss {loss:.3f} {time.monotonic() - began:.0f} s", file=sys.stderr)

    make(out, seed, Amounts().scaled(amount), tell)


if __name__ == "__main__":
    main()
