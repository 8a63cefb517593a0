"""The dataset's card: what it is, how it was made, numbers that were counted, what to be careful of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from constitutional.dataset.judge_section import judge_section
from constitutional.dataset.lengths import PLOT, length_rows
from constitutional.dataset.markdown import bullets, quoted, share, table
from constitutional.dataset.provenance import Origin
from constitutional.dataset.rows import SUBSETS
from constitutional.dataset.tally import MARGINS, Tally

PLACE = "PATH_OR_HUB_ID"
"""Stands for where the dataset is, until it is pushed somewhere."""
SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"),
)  # fmt: skip
MEANING = {
    "preference": "`prompt`, `chosen`, `rejected`, the label's probability `p_chosen`, and the reasons for it",
    "sft": "`prompt`, `completion`: the revisions of every round",
    "unpaired": "`prompt`, `completion`, `label`",
    "rejects": "what did not become a pair, and why",
}


@dataclass(frozen=True)
class Facts:
    """Everything that the card is made of. Nothing in it depends on the day or the machine."""

    tally: Tally
    counts: Mapping[str, Mapping[str, int]]
    origins: Sequence[Origin]
    content: str
    complete: bool = True
    odd: Sequence[str] = field(default=())
    """What the watch warns of."""
    merged: Mapping[str, Any] | None = None

    @property
    def constitutions(self) -> list[str]:
        named = [origin.constitution for origin in self.origins]
        return list(dict.fromkeys(f"{one.name} {one.version}" for one in named if one is not None))


def card(facts: Facts) -> str:
    head = yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True)
    sections = [
        (f"# {_title(facts)}", _opening(facts)),
        ("## How it was made", f"{_diagram(facts.tally)}\n\n{_made(facts)}"),
        ("## Numbers", _numbers(facts.tally)),
        ("## Subsets", table(("subset", "rows", "what it holds"), _subsets(facts.counts))),
        ("## What did not become a pair, and why", _rejects(facts.tally)),
        ("## Which tier decided", _tiers(facts.tally)),
        ("## Conflicts between tiers", _conflicts(facts.tally)),
        ("## Principles", _principles(facts.tally)),
        ("## Margins", _margins(facts.tally)),
        ("## Lengths", _lengths(facts.tally)),
        *_judges(facts.origins),
        ("## Watch", bullets(facts.odd)),
        ("## Models and their licences", _models(facts.origins)),
        ("## Known limits", bullets(_limits(facts))),
        ("## How to load", _loading(facts)),
        ("## How to check and to reproduce", _reproducing(facts)),
    ]
    return f"---\n{head}---\n\n" + "\n\n".join(f"{title}\n\n{body}" for title, body in sections if body) + "\n"


def _metadata(facts: Facts) -> dict[str, Any]:
    # The description names the content: `datasets` caches a local folder by its name and this metadata alone. It cannot
    # read a split without rows, nor any other of a subset that has one: what is empty is not named.
    configs: list[dict[str, Any]] = [
        {
            "config_name": subset,
            "description": f"content {facts.content}",
            "data_files": [{"split": split, "path": f"{subset}/{split}-*.parquet"} for split in full],
        }
        for subset in SUBSETS
        if (full := [split for split, rows in facts.counts[subset].items() if rows])
    ]
    for config in configs:
        if config["config_name"] == "preference":
            config["default"] = True
    return {
        "pretty_name": _title(facts),
        "annotations_creators": ["machine-generated"],
        "tags": ["preference", "dpo", "rlaif", "constitutional-ai", "synthetic"],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for size, name in SIZES if facts.tally.pairs < size), "1B<n<10B")],
        "configs": configs,
    }


def _title(facts: Facts) -> str:
    names = facts.constitutions
    return f"Preferences by the constitution {quoted(names[0])}" if len(names) == 1 else "Preferences by constitutions"


def _opening(facts: Facts) -> str:
    names = " and ".join(f"*{quoted(name)}*" for name in facts.constitutions) or "written principles"
    return (
        f"{facts.tally.pairs:,} pairs of answers with the probability that the first is the better one under {names}, and "
        "the reasons for it. Made with constitutional: a policy's answers were criticised and revised, and pairs of them "
        "judged in both orders, principle by principle. A tie, an unreadable verdict or a failure never became a label."
    )


def _diagram(tally: Tally) -> str:
    judged = sum(tally.judged.values())
    steps = (
        f"{tally.prompts:,} prompts", f"{tally.responses:,} responses", f"{tally.critiques:,} critiques",
        f"{tally.revised:,} revisions", f"{judged:,} judgements", f"{tally.pairs:,} pairs",
    )  # fmt: skip
    return "```\n" + " → ".join(steps) + "\n```"


def _made(facts: Facts) -> str:
    rows = []
    for origin in facts.origins:
        config = origin.config
        named = origin.constitution
        name = f"{named.name} {named.version}" if named is not None else "–"
        rows.append(
            (
                f"`{origin.name}`",
                quoted(name),
                config.strategy.plugin,
                config.judge.plugin,
                config.responses,
                origin.status,
            )
        )
    made = table(("run", "constitution", "strategy", "judge", "answers per prompt", "ended"), rows)
    folder = "The constitution, the templates, the settings and any judge card of each run are in `provenance/`."
    if facts.merged is None:
        return f"{made}\n\n{folder}"
    sources = table(
        ("run", "prompts", "kept", "repeated elsewhere"),
        [(f"`{one['name']}`", one["prompts"], one["kept"], one["dropped"]) for one in facts.merged["runs"]],
    )
    text = f"{made}\n\n{folder}\n\nMerged by {facts.merged['by']}: {facts.merged['rule']}.\n\n{sources}"
    differences = table(
        ("setting", "run", "value"),
        [(quoted(setting), f"`{name}`", quoted("–" if value is None else str(value)))
         for setting, values in facts.merged["differences"].items() for name, value in values.items()],
    )  # fmt: skip
    return f"{text}\n\nThe runs differ in:\n\n{differences}" if differences else text


def _numbers(tally: Tally) -> str:
    rows: list[tuple[str, str]] = [
        ("prompts", f"{tally.prompts:,}"),
        ("prompts with a pair", f"{tally.paired:,} ({share(tally.paired, tally.prompts)})"),
        ("responses sampled", f"{tally.responses:,}"),
        ("revisions", f"{tally.revised:,}"),
        ("pairs", f"{tally.pairs:,}"),
    ]
    if tally.pairs:
        rows += [
            ("pairs decided by a veto", f"{tally.vetoes:,} ({share(tally.vetoes, tally.pairs)})"),
            ("pairs with a conflict between tiers", f"{tally.conflicts:,} ({share(tally.conflicts, tally.pairs)})"),
            ("mean p_chosen", f"{tally.p_chosen / tally.pairs:.3f}"),
            ("mean margin", f"{tally.margin / tally.pairs:.3f}"),
            ("verdicts read from", _list(tally.methods)),
            ("strategies", _list(tally.strategies)),
        ]
    judged = sum(tally.judged.values())
    if judged:
        kept = share(sum(tally.consistent.values()), judged)
        rows.append(("verdicts that keep their side when the order is swapped", kept))
    return table(("what", "count"), rows)


def _list(counted: Mapping[str, int]) -> str:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{quoted(name) or '–'} ({count:,})" for name, count in ordered)


def _subsets(counts: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, str]]:
    return [
        (f"`{subset}`", ", ".join(f"{split} {rows:,}" for split, rows in counts[subset].items()), MEANING[subset])
        for subset in SUBSETS
    ]


def _rejects(tally: Tally) -> str:
    ordered = sorted(tally.rejects.items(), key=lambda item: (-item[1], item[0]))
    rows = [(f"`{quoted(reason)}`", f"{n:,}", f"{tally.failures[reason]:,}") for reason, n in ordered]
    return table(("reason", "count", "of these failures"), rows)


def _tiers(tally: Tally) -> str:
    ordered = sorted(tally.tiers.items(), key=lambda item: (-item[1], item[0]))
    return table(("tier", "pairs", "share"), [(tier, f"{n:,}", share(n, tally.pairs)) for tier, n in ordered])


def _conflicts(tally: Tally) -> str:
    ordered = sorted(tally.collisions.items(), key=lambda item: (-item[1], item[0]))
    rows = [(overruled, by, f"{n:,}", share(n, tally.pairs)) for (overruled, by), n in ordered]
    return table(("tier that was overruled", "by", "pairs", "share"), rows)


def _principles(tally: Tally) -> str:
    """How often the sampled answers violated each, and how steady its verdicts are."""
    rows = []
    for name in sorted({*tally.checked, *tally.judged}):
        checked, judged = tally.checked[name], tally.judged[name]
        rows.append(
            (
                name, f"{checked:,}", f"{tally.violated[name]:,}", share(tally.violated[name], checked),
                f"{tally.unread[name]:,}", f"{judged:,}", share(tally.consistent[name], judged),
            )
        )  # fmt: skip
    head = (
        "principle", "answers checked", "violate it", "share", "unreadable", "verdicts on pairs", "keep side when swapped",
    )  # fmt: skip
    return table(head, rows)


def _margins(tally: Tally) -> str:
    if not tally.pairs:
        return ""
    rows = [
        (f"{n / MARGINS:.1f} to {(n + 1) / MARGINS:.1f}", f"{tally.margins[n]:,}", share(tally.margins[n], tally.pairs))
        for n in range(MARGINS)
    ]
    return table(("margin", "pairs", "share"), rows)


def _lengths(tally: Tally) -> str:
    rows = length_rows(tally)
    if not rows:
        return ""
    longer = f"The chosen answer is the longer one in {share(tally.longer, tally.pairs)} of the pairs."
    plot = f"![How long chosen and rejected answers are]({PLOT})"
    return "\n\n".join((table(("characters", "chosen", "rejected"), rows), longer, plot))


def _judges(origins: Sequence[Origin]) -> list[tuple[str, str]]:
    """One section for one run; for several one each, but those without a card together."""
    found: dict[str, list[str]] = {}
    for origin in origins:
        text = judge_section(origin.card, accepted=origin.config.accept_bad_judge)
        found.setdefault(text, []).append(origin.name)
    if len(found) <= 1:
        return [("## The judge", text) for text in found]
    return [(f"## The judge of {', '.join(f'`{name}`' for name in names)}", text) for text, names in found.items()]


def _models(origins: Sequence[Origin]) -> str:
    played: dict[tuple[str, str, str], list[str]] = {}
    for origin in origins:
        for role, model in origin.models.items():
            key = (str(model["model"]), str(model.get("revision") or "–"), str(model.get("license") or "not given"))
            roles = played.setdefault(key, [])
            if role not in roles:
                roles.append(role)
    rows = [(quoted(model), rev, quoted(terms), ", ".join(roles)) for (model, rev, terms), roles in played.items()]
    unknown = any(terms == "not given" for _, _, terms in played)
    note = (
        "\n\nWhere no licence is given, whoever made the run did not say it (`license` of a model in the run file): the "
        "terms of that model, also those on the use of its outputs, are for you to look up."
        if unknown
        else ""
    )
    return table(("model", "revision", "licence", "roles"), rows) + note


def _limits(facts: Facts) -> list[str]:
    tally, lines = facts.tally, []
    if not facts.complete:
        how = (
            ", ".join(sorted({origin.status for origin in facts.origins if origin.status != "complete"}))
            or "unfinished"
        )
        lines.append(f"It is incomplete: not every prompt was finished ({how}).")
    lines.append("The labels are a model's opinion under the principles above, and the answers are synthetic.")
    if any(origin.card is None for origin in facts.origins):
        lines.append(
            "The judge was not measured against people. Judges have biases of position, length and authorship: measure it "
            "before you rely on it."
        )
    if set(tally.methods) - {"logprobs"}:
        lines.append(
            f"Not every probability was read from log-probabilities: {_list(tally.methods)}. Such numbers are coarser."
        )
    if tally.tiers.get("none"):
        lines.append("Some pairs name no tier that decided.")
    same = [origin for origin in facts.origins if len({m["model"] for m in origin.models.values()}) == 1]
    if same:
        lines.append("One model plays every role: it wrote, revised and judged its own answers.")
    lines.append("The prompts are what they are: nothing here says how well they cover what people ask.")
    return lines


def _loading(facts: Facts) -> str:
    counts = facts.counts["preference"]
    split = next((split for split, rows in counts.items() if rows), next(iter(counts), "train"))
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        f'pairs = load_dataset("{PLACE}", "preference", split="{split}")\n```\n\n'
        "`prompt`, `chosen` and `rejected` are message lists: TRL's trainers take them as they are. `constitutional train "
        f"{PLACE}` uses the probabilities too, and `constitutional export` writes other formats."
    )


def _reproducing(facts: Facts) -> str:
    lines = [f"`constitutional verify {PLACE}` recomputes every digest and says which run made which row."]
    for origin in facts.origins:
        prompts = origin.public_config["prompts"]
        own = prompts is not None and (prompts == "-" or "." in prompts.rpartition("/")[2])
        given = " --prompts FILE" if own else ""
        lines.append(f"```sh\nconstitutional generate {origin.path}/config.yaml{given} --out again\n```")
    lines.append(
        "The content of this dataset is "
        f"`{facts.content}`. Sampled answers repeat exactly where the model's server honours seeds; with the run's ledger "
        "they always do."
    )
    return "\n\n".join(lines)
