"""Inverse constitution: from what people preferred to the principles that explain it.

    preferences → proposals of a model → merged → each voted on the data → the best under a budget → YAML

The file it writes is an ordinary constitution: `constitutional principles lint`, `test` and `stats` take it."""

from __future__ import annotations

from constitutional_inverse.choosing import Rule, keep, worth
from constitutional_inverse.recover import Recovered, Settings, recover
from constitutional_inverse.rows import Preference, read_preferences

__all__ = ["Preference", "Recovered", "Rule", "Settings", "keep", "read_preferences", "recover", "worth"]
