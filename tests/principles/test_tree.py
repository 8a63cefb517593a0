from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.config.constitution import load_constitution
from constitutional.core.constitution import Constitution
from constitutional.principles.tree import as_data, as_mermaid, as_text

BELOW = """\
name: below
tiers:
  - id: safety
    force: hard
    principles:
      - {id: old, statement: "It says \\"no\\" <plainly> #1."}
"""
MINE = """\
name: mine
version: 2.0.0
description: Two files in one.
extends: [below.yaml]
on_unresolved: refuse
tiers:
  - id: style
    force: soft
    tolerance: 0.1
    principles:
      - id: new
        statement: The answer names its source.
        critique: Quote the claims without a source.
        weight: 2
        when: {tags: [news], unless: [fiction, poem]}
        judge: keyword
        examples: [{prompt: "p?", better: a, worse: b}, {prompt: "p?", response: a, verdict: upholds}]
contexts:
  news: {style: 2.0, old: 0}
"""


@pytest.fixture
def mine(tmp_path: Path) -> Constitution:
    (tmp_path / "below.yaml").write_text(BELOW)
    (tmp_path / "mine.yaml").write_text(MINE)
    return load_constitution(tmp_path / "mine.yaml")


def test_the_tree_shows_order_force_origin_and_contexts(mine: Constitution) -> None:
    assert as_text(mine).splitlines() == [
        "mine 2.0.0",
        "  Two files in one.",
        "  mode tiered: the highest tier that is no tie decides",
        "  on_unresolved refuse: a refusal is asked for where a hard violation stays",
        "",
        "1. safety  hard",
        "   old  ← below.yaml",
        '     It says "no" <plainly> #1.',
        "     (no examples)",
        "",
        "2. style  soft, tie up to ±0.1",
        "   new",
        "     The answer names its source.",
        "     critique: Quote the claims without a source.",
        "     (weight 2; only for news; not for fiction, poem; judge keyword; 2 examples)",
        "",
        "contexts (factors on weights, by tag)",
        "  news: style × 2, old × 0",
    ]


def test_the_graph_names_every_node_once_and_quotes_what_mermaid_would_read(mine: Constitution) -> None:
    graph = as_mermaid(mine).splitlines()
    assert graph[0] == "flowchart TB"
    nodes = re.findall(r"(\w+)(?:\(\[|\[|\(|\{\{)\"", "\n".join(graph))
    assert sorted(nodes) == ["c0", "constitution", "t0", "t0p0", "t1", "t1p0"]
    assert '  c0 -. "× 0" .-> t0p0' in graph
    assert "  t0 -- then --> t1" in graph
    assert "only for news" in "\n".join(graph)


def test_the_data_holds_all_that_the_file_does(mine: Constitution) -> None:
    data = as_data(mine)
    assert data["on_unresolved"] == "refuse"
    assert data["contexts"] == {"news": {"style": 2.0, "old": 0.0}}
    (old,), (new,) = (tier["principles"] for tier in data["tiers"])
    assert old["origin"] == "below.yaml"
    assert new["judge"] == {"plugin": "keyword", "options": {}}
    assert new["critic"] is None
    assert new["when"] == {"tags": ["news"], "unless": ["fiction", "poem"]}
    assert new["examples"] == [
        {"prompt": "p?", "better": "a", "worse": "b"},
        {"prompt": "p?", "response": "a", "verdict": "upholds"},
    ]
