"""Names for values: canonical JSON, and a short digest of it."""

from __future__ import annotations

import json
from hashlib import blake2b
from random import Random
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, real characters."""
    return _encode(value)


def digest(value: Any) -> str:
    """32 hex digits that name a JSON value. A lone surrogate, which UTF-8 cannot carry, still has a digest."""
    return blake2b(_encode(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


PAIR = "pair-"


def pair_id(messages: Any, one: str, other: str) -> str:
    """Names two answers to a dialogue, the same whichever is named first."""
    return PAIR + digest([messages, sorted([one, other])])[:16]


def random_for(seed: int, prompt_id: str, purpose: str) -> Random:
    """The only source of randomness: independent of order, concurrency and interruption."""
    return Random(f"{seed}:{prompt_id}:{purpose}")


def seed_for(seed: int, prompt_id: str, purpose: str) -> int:
    """A sampling seed for a model call, in the 31 bits that every server accepts."""
    return random_for(seed, prompt_id, purpose).getrandbits(31)
