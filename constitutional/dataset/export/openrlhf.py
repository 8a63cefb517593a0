"""OpenRLHF: `--data.prompt_key prompt --data.chosen_key chosen --data.rejected_key rejected --data.apply_chat_template`
of train_dpo, and of train_rm, whose loss takes `margin`.

https://openrlhf.readthedocs.io"""

from __future__ import annotations

from constitutional.dataset.export.format import Format
from constitutional.dataset.rows import Row


def preference(row: Row) -> Row:
    return {"prompt": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"], "margin": row["margin"]}


FORMATS = (Format("openrlhf", "OpenRLHF, train_dpo and train_rm.", "preference", preference, True),)
