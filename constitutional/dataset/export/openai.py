"""OpenAI's preference fine-tuning (`method: dpo`).

https://developers.openai.com/api/docs/guides/direct-preference-optimization"""

from __future__ import annotations

from constitutional.dataset.export.format import Format
from constitutional.dataset.rows import Row


def preference(row: Row) -> Row | str:
    for message in (*row["prompt"], *row["chosen"], *row["rejected"]):
        if not message["content"].strip():
            return "it has an empty message"
    return {
        "input": {"messages": row["prompt"], "tools": [], "parallel_tool_calls": True},
        "preferred_output": row["chosen"],
        "non_preferred_output": row["rejected"],
    }


FORMATS = (Format("openai", "OpenAI preference fine-tuning.", "preference", preference, suffixes=(".jsonl",)),)
