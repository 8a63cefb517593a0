"""Exporters: one file per consumer. ``FORMATS`` has all of them by name."""

from constitutional.dataset.export import argilla, axolotl, llamafactory, openai, openrlhf, trl
from constitutional.dataset.export.format import Format

_ALL = (trl.FORMATS, openai.FORMATS, axolotl.FORMATS, llamafactory.FORMATS, openrlhf.FORMATS, argilla.FORMATS)
FORMATS: dict[str, Format] = {item.name: item for formats in _ALL for item in formats}

__all__ = ["FORMATS", "Format"]
