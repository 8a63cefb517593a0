"""Axolotl: `type: chat_template.default` of `rl: dpo`, with the YAML that its config needs.

https://docs.axolotl.ai/docs/rlhf.html"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from constitutional.dataset.export.format import Format, Place
from constitutional.dataset.rows import Row

CONFIG = "axolotl.yml"


def preference(row: Row) -> Row:
    return {"messages": row["prompt"], "chosen": row["chosen"][-1], "rejected": row["rejected"][-1]}


def config(name: str, places: Sequence[Place], there: Mapping[str, str]) -> dict[str, str]:
    entries = {place.split: _entry(place) for place in places}
    value = {"rl": "dpo", "datasets": [entry for split, entry in entries.items() if split != "test"]}
    if "test" in entries:
        value["test_datasets"] = [entries["test"]]
    head = "# Part of an Axolotl config; the paths start at this folder.\n"
    return {CONFIG: head + yaml.safe_dump(value, sort_keys=False)}


def _entry(place: Place) -> dict[str, object]:
    return {
        "path": place.file,
        "ds_type": "json",
        "split": "train",
        "type": "chat_template.default",
        "field_messages": "messages",
        "field_chosen": "chosen",
        "field_rejected": "rejected",
        "message_property_mappings": {"role": "role", "content": "content"},
        "roles": {"user": ["user"], "assistant": ["assistant"], "system": ["system"]},
    }


FORMATS = (
    Format(
        "axolotl", "Axolotl, chat_template.default of rl: dpo.", "preference", preference, folder=True, beside=config
    ),
)
