"""Argilla: a dataset for people to label, as `rg.Dataset.from_disk` reads it. The two answers stand in an order that does
not give the label away; our label is the suggestion, with its probability.

https://docs.argilla.io/latest/how_to_guides/import_export/"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from constitutional.core.digest import random_for
from constitutional.dataset.export.format import Format, Place, text
from constitutional.dataset.rows import Row

GUIDELINES = (
    "Which answer to the dialogue is better? The suggestion is a model's opinion: overrule it where it is wrong."
)


def record(row: Row) -> Row:
    first = random_for(0, row["id"], "argilla").random() < 0.5
    a, b = ("chosen", "rejected") if first else ("rejected", "chosen")
    suggestion = {"value": "a" if first else "b", "score": row["p_chosen"], "agent": row["judge_method"] or None}
    about = {"prompt_id": row["prompt_id"], "p_chosen": row["p_chosen"], "run": row["run"]}
    if row["deciding_tier"] is not None:
        about["deciding_tier"] = row["deciding_tier"]
    return {
        "id": row["id"],
        "status": "pending",
        "fields": {"prompt": row["prompt"], "answer_a": text(row[a]), "answer_b": text(row[b])},
        "metadata": about,
        "suggestions": {"better": suggestion},
        "responses": {},
        "vectors": {},
    }


def settings(name: str, places: Sequence[Place], there: Mapping[str, str]) -> dict[str, str]:
    value = {
        "guidelines": GUIDELINES,
        "allow_extra_metadata": True,
        "fields": [_field("prompt", "Dialogue", "chat"), _field("answer_a", "Answer A", "text"),
                   _field("answer_b", "Answer B", "text")],
        "questions": [_which(), _why()],
        "metadata": [_terms("prompt_id"), _terms("run"), _terms("deciding_tier"), _probability()],
        "vectors": [],
    }  # fmt: skip
    dataset = {"name": name, "guidelines": GUIDELINES, "allow_extra_metadata": True}
    return {
        ".argilla/settings.json": json.dumps(value, indent=1) + "\n",
        ".argilla/dataset.json": json.dumps(dataset, indent=1) + "\n",
    }


def _field(name: str, title: str, kind: str) -> Row:
    return {
        "name": name,
        "title": title,
        "required": True,
        "type": kind,
        "settings": {"type": kind, "use_markdown": False},
    }


def _which() -> Row:
    options = [
        {"value": "a", "text": "Answer A"},
        {"value": "b", "text": "Answer B"},
        {"value": "tie", "text": "Neither"},
    ]
    kind = {"type": "label_selection", "options": options, "visible_options": 3}
    return {
        "name": "better",
        "title": "Which is better?",
        "required": True,
        "type": "label_selection",
        "settings": kind,
    }


def _why() -> Row:
    kind = {"type": "text", "use_markdown": False}
    return {"name": "why", "title": "Why?", "required": False, "type": "text", "settings": kind}


def _terms(name: str) -> Row:
    kind = {"type": "terms", "values": None, "visible_for_annotators": False}
    return {"name": name, "title": name, "settings": kind, "visible_for_annotators": False}


def _probability() -> Row:
    kind = {"type": "float", "min": 0.0, "max": 1.0, "visible_for_annotators": False}
    return {"name": "p_chosen", "title": "p_chosen", "settings": kind, "visible_for_annotators": False}


FORMATS = (
    Format("argilla", "Argilla, for people to label: rg.Dataset.from_disk.", "preference", record, True, folder=True,
           array=True, file=lambda split: "records.json", beside=settings),
)  # fmt: skip
