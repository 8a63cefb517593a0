"""LLaMA-Factory: ranked ShareGPT data, with its entry in dataset_info.json.

https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from constitutional.dataset.export.format import Format, Place, alternates
from constitutional.dataset.rows import Row
from constitutional.errors import UsageError

INFO = "dataset_info.json"
TAGS = {"user": "human", "assistant": "gpt", "system": "system"}


def preference(row: Row) -> Row | str:
    if not alternates(row["prompt"]):
        return "its turns do not alternate between user and assistant, which LLaMA-Factory skips"
    return {
        "conversations": [_turn(message) for message in row["prompt"]],
        "chosen": _turn(row["chosen"][-1]),
        "rejected": _turn(row["rejected"][-1]),
    }


def _turn(message: Mapping[str, str]) -> Row:
    return {"from": TAGS[message["role"]], "value": message["content"]}


def info(name: str, places: Sequence[Place], there: Mapping[str, str]) -> dict[str, str]:
    """Other datasets that the file names stay in it."""
    try:
        entries = json.loads(there.get(INFO, "{}"))
    except ValueError as error:
        raise UsageError(
            f"{INFO} of the --out folder is not JSON ({error}): mend it, or choose another folder"
        ) from error
    for place in places:
        entries[f"{name}_{place.split}"] = {
            "file_name": place.file,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        }
    return {INFO: json.dumps(entries, indent=2, ensure_ascii=False) + "\n"}


FORMATS = (
    Format("llama-factory", "LLaMA-Factory, ranked ShareGPT, with dataset_info.json.", "preference", preference,
           folder=True, file=lambda split: f"preference_{split}.jsonl", beside=info),
)  # fmt: skip
