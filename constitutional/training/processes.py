"""Which of a launched training's processes this is."""

from __future__ import annotations

import os


def is_first() -> bool:
    """The one that writes and speaks. A training that was not launched has no other."""
    return os.environ.get("RANK", "0") == "0"


def is_launched() -> bool:
    return "RANK" in os.environ


def wait_for_all() -> None:
    """Until every process is here."""
    if is_launched():
        import torch

        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.barrier()


def any_process(here: bool) -> bool:
    """Whether it holds in one of them: all must agree when to stop."""
    if not is_launched():
        return here
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return here
    from accelerate import PartialState

    flag = torch.tensor(int(here), device=PartialState().device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())
