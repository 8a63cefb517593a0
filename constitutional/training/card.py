"""The model's card: what it was trained on, how, and what came of it, with numbers that were measured."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from constitutional.dataset.markdown import table
from constitutional.training.data import TrainingData
from constitutional.training.settings import ONLINE, TrainSettings

WORDS = {
    "loss": "held-out loss",
    "rewards/accuracies": "held-out preference accuracy",
    "rewards/margins": "held-out reward margin",
    "mean_token_accuracy": "held-out token accuracy",
    "reward": "held-out reward",
    "reward/hard_violations": "held-out hard violations",
    "kl": "KL to the reference, nats an answer",
}
KINDS = {"preference": "preference pairs", "sft": "answers", "unpaired": "labelled answers", "prompts": "prompts"}
POINTS = 12


def card(data: TrainingData, settings: TrainSettings, record: dict[str, Any], log: Path) -> str:
    """Deterministic but for the figures: no dates, no machine, no paths."""
    chosen = dict(record["settings"])
    for stage in record["stages"]:
        chosen |= stage.get("found", {})
    sections = [
        f"# {Path(settings.out).name}",
        _intro(data, chosen),
        _table("Data", ("what", "rows"), _data(data)),
        _table("Rows that were not trained on", ("reason", "rows"), _dropped(data, record)),
        _table("Training", ("setting", "value"), _settings(chosen, settings)),
        *(_stage(stage) for stage in record["stages"]),
        *(_curve(stage["stage"], log) for stage in record["stages"]),
        _notes(
            [
                *record["notes"],
                *(note for part in data.parts.values() for note in part.notes),
                *(note for stage in record["stages"] for note in stage["notes"]),
            ]
        ),
        _table("Versions", ("package", "version"), record["versions"].items()),
        _limits(settings),
    ]
    return f"---\n{_metadata(data, chosen)}---\n\n" + "\n\n".join(section for section in sections if section) + "\n"


def _limits(settings: TrainSettings) -> str:
    if settings.main in ONLINE:
        text = (
            "The reward is a model's opinion, and a model that climbs it finds what is wrong with it. Read its answers, and "
            "compare it with the one it came from by another judge than the one that rewarded it."
        )
    elif settings.main == "reward":
        text = (
            "The labels are a model's opinion under written principles, and held-out accuracy is agreement with those "
            "labels. Measure it as a judge, with `constitutional audit`, before it labels anything."
        )
    else:
        text = (
            "The labels are a model's opinion under written principles, and held-out accuracy is agreement with those "
            "labels. Compare the model with the one it came from on prompts of your own before you rely on it."
        )
    return f"## Limits\n\n{text}"


def _metadata(data: TrainingData, chosen: dict[str, Any]) -> str:
    found: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "text-generation"}
    if chosen["stages"][-1] == "reward":
        found["pipeline_tag"] = "text-classification"
    if chosen["lora"] is not None and not chosen["merge"]:
        found["library_name"] = "peft"
    if chosen["model"].count("/") == 1:
        found["base_model"] = chosen["model"]
    found["tags"] = ["constitutional-ai", "rlaif", "trl", *chosen["stages"]]
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))


def _intro(data: TrainingData, chosen: dict[str, Any]) -> str:
    about = data.about
    text = f"`{chosen['model']}`, trained on `{about.name}`"
    if about.constitution:
        text += f" by the constitution `{about.constitution}` {about.constitution_version}"
    if about.run:
        text += f" (run `{about.run}`)"
    return text + ", with [constitutional](https://github.com/constitutional-toolkit/constitutional)."


def _data(data: TrainingData) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for kind, part in data.parts.items():
        rows += [
            (f"{KINDS[kind]} read", f"{part.read:,}"),
            (f"{KINDS[kind]} to train on", f"{len(part.train):,}"),
            (f"{KINDS[kind]} held out, of other prompts", f"{len(part.held_out):,}"),
        ]
    if data.preferences.read:
        rows += [
            ("mean p_chosen", f"{data.facts.mean_p:.3f}"),
            ("mean margin", f"{data.facts.mean_margin:.3f}"),
        ]
    return rows


def _dropped(data: TrainingData, record: dict[str, Any]) -> list[tuple[str, str]]:
    total: Counter[str] = Counter()
    parts = (part.dropped for part in data.parts.values())
    for dropped in (*parts, *(stage["dropped"] for stage in record["stages"])):
        total.update(dropped)
    return [(f"`{reason}`", f"{count:,}") for reason, count in total.most_common()]


def _settings(chosen: dict[str, Any], settings: TrainSettings) -> list[tuple[str, str]]:
    names = ["stages", "seed", "batch", "schedule", "warmup", "max_length", "precision", "lora"]
    if settings.main == "reward":
        names += ["labels", "lr", "epochs"]
    if settings.main in ONLINE:
        names += ["run", "generations", "answer_tokens", "temperature", "beta", "lr", "epochs"]
    if "dpo" in settings.stages:
        names += ["loss", "labels", "beta", "lr", "epochs", *([] if settings.loss == "orpo" else ["reference"])]
        names += ["alpha", "ipo_beta"] if settings.loss == "hybrid" else []
    if "sft" in settings.stages:
        names += ["sft_lr", "sft_epochs"]
    return [(name, _shown(chosen[name])) for name in names if chosen[name] is not None]


def _stage(stage: dict[str, Any]) -> str:
    names = [name for name in WORDS if name in stage["after"]]
    rows = [(WORDS[name], _figure(stage["before"].get(name)), _figure(stage["after"][name])) for name in names]
    head = (f"{stage['steps']:,} steps, {stage['rows']:,} rows", "before", "after")
    ended = f"\n\nEnded early: {stage['stopped']}." if stage["stopped"] else ""
    tables = "".join(f"\n\n{_more(more)}" for more in stage["tables"])
    return _table(f"Stage `{stage['stage']}`", head, rows) + ended + tables


def _more(more: dict[str, Any]) -> str:
    figure = f"\n\n![{more['title']}]({more['figure']})" if "figure" in more else ""
    return _table(more["title"], more["head"], more["rows"]) + figure


def _curve(stage: str, log: Path) -> str:
    """A dozen points of the log, which has them all."""
    entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    losses = {entry["step"]: entry["loss"] for entry in entries if entry["stage"] == stage and "loss" in entry}
    divergences = {entry["step"]: entry["kl"] for entry in entries if entry["stage"] == stage and "kl" in entry}
    looks = [
        entry | {"eval_kl": divergences.get(entry["step"])}
        for entry in entries
        if entry["stage"] == stage and "eval_loss" in entry
    ]
    picked = (
        looks if len(looks) <= POINTS else [looks[round(at * (len(looks) - 1) / (POINTS - 1))] for at in range(POINTS)]
    )
    names = [name for name in WORDS if any(look.get(f"eval_{name}") is not None for look in picked)]
    rows = [
        (str(look["step"]), _figure(losses.get(look["step"])), *(_figure(look.get(f"eval_{name}")) for name in names))
        for look in picked
    ]
    return _table(f"Curves of `{stage}`", ("step", "training loss", *(WORDS[name] for name in names)), rows)


def _notes(notes: Sequence[str]) -> str:
    return "## Notes\n\n" + "\n".join(f"- {note}" for note in notes) if notes else ""


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = table(head, rows)
    return f"## {title}\n\n{body}" if body else ""


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
