"""TRL: conversational and plain preferences, with rewards, unpaired (KTO) and prompt-completion (SFT).

https://huggingface.co/docs/trl/dataset_formats"""

from __future__ import annotations

from constitutional.dataset.export.format import Format, single_turn, text, why_not_single
from constitutional.dataset.rows import Row


def _pair(row: Row) -> Row:
    return {"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]}


def conversational(row: Row) -> Row:
    # No column `margin`: RewardTrainer would take it into its loss unasked.
    return {**_pair(row), "p_chosen": row["p_chosen"], "prompt_id": row["prompt_id"]}


def plain(row: Row) -> Row | str:
    prompt = single_turn(row["prompt"])
    if prompt is None:
        return why_not_single(row["prompt"])
    return {
        "prompt": prompt,
        "chosen": text(row["chosen"]),
        "rejected": text(row["rejected"]),
        "p_chosen": row["p_chosen"],
        "prompt_id": row["prompt_id"],
    }


def rewards(row: Row) -> Row | str:
    if row["chosen_score"] is None or row["rejected_score"] is None:
        return "its answers were not scored (a strategy that needs scores has them, for example best-vs-worst)"
    scores = {"chosen_reward": row["chosen_score"], "rejected_reward": row["rejected_score"]}
    return {**_pair(row), **scores, "margin": row["margin"], "prompt_id": row["prompt_id"]}


def unpaired(row: Row) -> Row:
    return {"prompt": row["prompt"], "completion": row["completion"], "label": row["label"]}


def prompt_completion(row: Row) -> Row | str:
    if not row["resolved"]:
        return "it was found to violate a hard principle"
    return {"prompt": row["prompt"], "completion": row["completion"]}


FORMATS = (
    Format("trl", "TRL, conversational: DPOTrainer, RewardTrainer.", "preference", conversational, True),
    Format("trl-plain", "TRL, plain text: one user message, no system message.", "preference", plain, True),
    Format("trl-rewards", "The same with chosen_reward, rejected_reward and margin.", "preference", rewards, True),
    Format("kto", "TRL's KTOTrainer: single answers with a label.", "unpaired", unpaired),
    Format("sft", "TRL's SFTTrainer: the revisions, as prompt and completion.", "sft", prompt_completion),
)
