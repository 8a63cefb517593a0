"""Whether an answer refuses: wholly, in part, or not at all."""

from __future__ import annotations

from typing import Literal

from constitutional.core.hygiene import is_refusal

Kind = Literal["full", "partial", "none"]


def refusal(text: str) -> Kind:
    return "full" if is_refusal(text) else "none"
