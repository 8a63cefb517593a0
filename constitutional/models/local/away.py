"""A Hub that cannot be reached. Its library asks about every file of a model that it has in its cache, five times each:
minutes for a model that is here. So it is asked once, and where it does not answer, not again by anybody who loads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "HF_HUB_OFFLINE"
PATIENCE = 5.0
"""Seconds for one short answer."""
_lock = threading.Lock()
_loading = 0
_away = False


@contextmanager
def loading() -> Iterator[None]:
    """What is loaded inside may find the Hub away. When the last has left, it is asked again."""
    global _loading
    with _lock:
        _loading += 1
    try:
        yield
    finally:
        with _lock:
            _loading -= 1
            if _away and not _loading:
                _switch(away=False)


def is_away() -> bool:
    """As it was found, and not as the user wants it."""
    return _away


def why_away(hub: str) -> str | None:
    """None where the Hub answers, whatever it says. Where it does not it is left alone while anything is loading, in
    processes that are started meanwhile too."""
    from huggingface_hub import get_session

    if _away:
        return "no answer"
    try:
        status = get_session().head(f"{hub}/api/models", timeout=PATIENCE).status_code
    except Exception as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
    else:
        if status < 500:
            return None
        why = f"status {status}"
    with _lock:
        if _loading:
            _switch(away=True)
    return why


def _switch(*, away: bool) -> None:
    """The libraries look at both whenever they would ask."""
    global _away
    from huggingface_hub import constants

    _away = constants.HF_HUB_OFFLINE = away
    if away:
        os.environ[VARIABLE] = "1"
    else:
        os.environ.pop(VARIABLE, None)
