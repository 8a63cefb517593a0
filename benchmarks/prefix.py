"""What shared text first, principle last is worth on vLLM: judging under many principles, from one prefix cache.

    python -m benchmarks.prefix [--pairs 6] [--principles 16] [--block-size N] [--json] [--save]

A real engine (on a CPU or a GPU), a model of some four million random parameters, and the pipeline's own arena with the
shipped pairwise judge: each pair is compared under every principle in both orders. The same questions are put once more
with a template that names the principle first. One process, one engine; the two take turns of their own, and share not
a token. *Allowed* is what a cache of that block size could serve at best if the calls came one after another."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import command_line, report, table
from constitutional.config.run import RunConfig
from constitutional.core.records import Message, Prompt, Response
from constitutional.ledger import Ledger, LedgerView, RunFolder
from constitutional.models.meter import Meter
from constitutional.pipeline.arena import LiveArena
from constitutional.pipeline.bind import recorded
from constitutional.pipeline.setup import assemble
from constitutional.pipeline.trace import Cast
from constitutional.plugins import PluginHost
from constitutional.roles import Judge, Setup
from constitutional.templates import Templates
from tests.support.tiny_model import make_tiny_model

TEMPLATES = {"principle last": "judge/pairwise", "principle first": "principle_first.jinja"}
CONTEXT = 4096
WORDS = """answer question river garden window morning letter teacher number animal kitchen bridge summer doctor picture
engine market island village winter music paper station mountain story water forest memory captain silver little open
early gentle quiet honest broken heavy narrow simple careful to the of and for with under over between before
after""".split()  # noqa: SIM905 - a list of words is read as one
VOCABULARY = "\n".join(WORDS) + " A or B" * 20
"""So that A and B are single tokens, as in real vocabularies: a verdict is then one request."""


def text_of(words: int, source: random.Random) -> str:
    return " ".join(source.choice(WORDS) for _ in range(words))


def question(number: int) -> tuple[Prompt, Response, Response]:
    """A dialogue of three turns with two answers: some thousand tokens."""
    source = random.Random(number)
    turns = ("user", "assistant", "user")
    messages = tuple(Message(role, text_of(length, source)) for role, length in zip(turns, (120, 200, 80), strict=True))
    prompt = Prompt(f"p{number}", messages)
    a, b = (Response(f"p{number}.{n}", prompt.id, text_of(180, source), "none", n, "") for n in range(2))
    return prompt, a, b


def write_constitution(path: Path, principles: int) -> None:
    source = random.Random("principles")
    rules = [{"id": f"rule-{n}", "statement": f"The answer is {text_of(20, source)}."} for n in range(principles)]
    path.write_text(yaml.safe_dump({"name": "many", "tiers": [{"id": "all", "force": "strong", "principles": rules}]}))


async def compare(pairs: range, judge: Judge, cast: Cast) -> None:
    """All these pairs side by side, each as the pipeline compares it."""

    async def one(number: int) -> None:
        prompt, a, b = question(number)
        arena = LiveArena(prompt, (a, b), {}, {}, cast.constitution, judge, cast.scorer, 0)
        await arena.compare(a, b)

    await asyncio.gather(*(one(number) for number in pairs))


async def ask(config: RunConfig, base: Path, pairs: int) -> tuple[Path, list[float]]:
    """The ledger of all the questions, and when those of each template began and ended."""
    folder = RunFolder(base / "run")
    folder.create()
    ledger, host = Ledger(folder.ledger), PluginHost()
    bind = recorded(ledger, Meter(), config)
    assembly = assemble(config, host, base, bind)
    registered = host.get("judge", "pairwise-logprob")
    times = []
    try:
        for template in TEMPLATES.values():
            options = registered.options({"template": template}, "judge")
            model, templates = bind("judge", assembly.models), Templates(base)
            judge = registered.factory(Setup("pairwise-logprob", options, model, templates, assembly.constitution))
            await compare(range(1), judge, assembly.cast)  # the engine starts, and what it compiles: not counted
            times.append(time.time())
            await compare(range(1, pairs + 1), judge, assembly.cast)
            times.append(time.time())
        await ledger.flush()
    finally:
        await assembly.models.aclose()
        ledger.close()
    return folder.ledger, times


def figures_of(path: Path, began: float, ended: float, model: Path, block: int) -> dict[str, Any]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    with LedgerView(path) as view:
        query = "SELECT request, prompt_tokens, cached_tokens, at FROM calls WHERE at < ? ORDER BY at"
        rows = list(view.rows(query, ended))
    prompts = []
    for request, *_ in rows:
        messages = json.loads(zlib.decompress(request))[2][0]
        turns = [{"role": role, "content": content} for role, content in messages]
        prompts.append(tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))
    assert [row[1] for row in rows] == [len(prompt) for prompt in prompts], "not the prompts that the engine saw"
    before = sum(row[3] < began for row in rows)
    total, cached = sum(row[1] for row in rows[before:]), sum(row[2] for row in rows[before:])
    best = sum(allowed(prompts, block)[before:])
    calls = len(rows) - before
    return {
        "calls": calls,
        "calls_per_second": calls / (ended - began),
        "tokens_per_prompt": total / calls,
        "cached": cached / total,
        "allowed": best / total,
        "of_allowed": cached / best if best else None,
    }


def allowed(prompts: list[list[int]], block: int) -> list[int]:
    """Tokens of each that a cache without end could serve: whole blocks only, and never a prompt's last token."""
    seen: set[tuple[int, ...]] = set()
    found = []
    for prompt in prompts:
        whole = [tuple(prompt[:end]) for end in range(block, len(prompt) + 1, block)]
        known = (len(prefix) for prefix in whole if prefix in seen and len(prefix) < len(prompt))
        found.append(max(known, default=0))
        seen.update(whole)
    return found


async def measure(options: argparse.Namespace, base: Path) -> dict[str, Any]:
    model = make_tiny_model(base / "model", hidden=256, layers=6, context=CONTEXT, text=VOCABULARY)
    write_constitution(base / "many.yaml", options.principles)
    (base / "principle_first.jinja").write_text(Path(__file__).with_name("principle_first.jinja").read_text())
    engine = {"enforce_eager": True, "dtype": "float32", "max_model_len": CONTEXT, "max_num_seqs": 64}
    engine |= {"block_size": options.block_size}
    policy = {"name": f"vllm:{model}", "options": {"engine": engine}}
    config = RunConfig.model_validate({"constitution": "many.yaml", "models": {"policy": policy}})
    ledger, times = await ask(config, base, options.pairs)
    found: dict[str, Any] = {"pairs": options.pairs, "principles": options.principles, "block": options.block_size}
    for number, name in enumerate(TEMPLATES):
        began, ended = times[2 * number : 2 * number + 2]
        found[name] = figures_of(ledger, began, ended, model, options.block_size)
        print(name, found[name], file=sys.stderr)
    last, first = (found[name]["calls_per_second"] for name in TEMPLATES)
    return found | {"ratio": last / first}


def summary(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of the README's table."""
    last = figures["principle last"]
    what = f"{figures['principles']} principles on vLLM"
    return [
        (
            f"{what}: prompt tokens from the cache, of what its block size allows",
            f"{last['of_allowed']:.3f}",
            "≥ 0.95",
        ),
        (f"{what}: calls per second, against the principle first", f"× {figures['ratio']:.1f}", "≥ 3"),
    ]


def details(figures: dict[str, Any]) -> str:
    """What stands on the benchmarks' page."""
    head = ("", "calls", "calls/s", "tokens per prompt", "from the cache", "allowed", "of allowed")
    rows = [
        (
            name, f"{row['calls']:,}", f"{row['calls_per_second']:.1f}", f"{row['tokens_per_prompt']:,.0f}",
            f"{row['cached']:.1%}", f"{row['allowed']:.1%}",
            "" if row["of_allowed"] is None else f"{row['of_allowed']:.3f}",
        )
        for name in TEMPLATES
        for row in [figures[name]]
    ]  # fmt: skip
    return (
        f"{table(head, rows)}\n\n{figures['pairs']} pairs, {figures['principles']} principles, both orders; blocks of "
        f"{figures['block']} tokens. Calls per second × {figures['ratio']:.1f}."
    )


def main() -> None:
    parser = command_line("prefix", __doc__)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--principles", type=int, default=16)
    parser.add_argument(
        "--block-size", type=int, default=128, help="tokens in a block of the cache; 128 is usual on a CPU"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(options, Path(folder)))
    report(options, figures, details)


if __name__ == "__main__":
    main()
