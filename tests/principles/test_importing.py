"""Published lists become our YAML and keep every word. The lists here are made up; the real ones are read where a folder
of reference data is named in the environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from constitutional.config.constitution import load_constitution
from constitutional.errors import ConfigError
from constitutional.principles.importing import Pair, ids_of, read_list, to_yaml

REFERENCE = os.environ.get("CONSTITUTIONAL_REFERENCE_DATA", "")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="CONSTITUTIONAL_REFERENCE_DATA is not set")
PAIRS = (
    Pair(
        "Quote what the answer promises: 'soon', \"surely\" … # and why.",
        "Rewrite it without promises.\nKeep the rest.",
    ),
    Pair("Name every brand in the answer.", "Replace each brand by its kind."),
)
TEXTS = ("Which answer names fewer brands?", "Choose the answer: the one that promises less – “soon” counts.")


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def round_trip(source: Path, folder: Path) -> tuple[Pair | str, ...]:
    """Imported, written, loaded, and read back out of the constitution."""
    target = folder / "imported.yaml"
    target.write_text(to_yaml(read_list(source), "imported", source.name), encoding="utf-8")
    constitution = load_constitution(target)
    assert constitution.mode == "draw"
    return tuple(
        Pair(principle.critique, principle.revision) if principle.critique else principle.statement
        for _, principle in constitution
    )


def two(a: str, b: str) -> list[dict[str, str]]:
    return [{a: pair.critique, b: pair.revision} for pair in PAIRS]


@pytest.mark.parametrize(
    "content",
    [
        two("critique", "revision"),
        two("critic", "revision"),
        two("critique_request", "revision_request"),
        {"constitutions": two("critic", "revision"), "system_chat": [["x"]]},
        {"principles": two("critique", "revision")},
        {
            f"rule{number}": {
                "prompt": [f"\n\nCritiqueRequest: {pair.critique}\n\nCritique:"],
                "edit_request": f"\n\nRevisionRequest: {pair.revision}\n\nRevision:",
            }
            for number, pair in enumerate(PAIRS)
        },
    ],
    ids=["critique", "critic", "requests", "object", "named-list", "wrapped"],
)
def test_pairs_round_trip(tmp_path: Path, content: object) -> None:
    assert round_trip(write(tmp_path, "pairs.json", content), tmp_path) == PAIRS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.json", list(TEXTS)),
        ("list.json", {"principles": list(TEXTS)}),
        ("list.json", {"a": TEXTS[0], "b": TEXTS[1]}),
        ("list.json", [{"principle": text} for text in TEXTS]),
        ("list.txt", "\n".join(TEXTS)),
        ("list.txt", "# a heading\n\n" + "\n\n".join(TEXTS) + "\n"),
        ("list.txt", "\ufeff" + "\r\n".join(TEXTS)),
        ("list.txt", f"Take these to heart:\n\n  1. {TEXTS[0]}\n\n  2. {TEXTS[1]}\n\nThat is all.\n"),
        ("list.md", "- {}\n- {}".format(TEXTS[0], TEXTS[1].replace(" promises", "\n  promises"))),
        (
            "prompt.txt",
            f"You are a judge.\n1. Read.\n2. Judge.\n```CONSTITUTION\nSome:\n 1. {TEXTS[0]}\n 2. {TEXTS[1]}\n```\n",
        ),
    ],
)
def test_comparisons_round_trip(tmp_path: Path, name: str, content: object) -> None:
    assert round_trip(write(tmp_path, name, content), tmp_path) == TEXTS


def test_pairs_and_comparisons_may_stand_in_one_list(tmp_path: Path) -> None:
    mixed = [two("critique", "revision")[0], TEXTS[0]]
    assert round_trip(write(tmp_path, "mixed.json", mixed), tmp_path) == (PAIRS[0], TEXTS[0])


def test_several_critique_requests_share_a_revision_request(tmp_path: Path) -> None:
    path = write(tmp_path, "x.json", {"a": {"prompt": ["One?", "Two?"], "edit_request": "Mend."}})
    assert read_list(path).principles == (Pair("One?", "Mend."), Pair("Two?", "Mend."))


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    path = write(
        tmp_path, "x.json", {"constitutions": two("critic", "revision"), "system_chat": [], "system_prompt": ""}
    )
    assert read_list(path).left_out == ("system_chat", "system_prompt")


def test_ids_are_made_of_the_words_and_stay() -> None:
    texts = [
        "Which answer names fewer brands?",
        "Which answer names fewer brands in its title?",
        "Which answer names fewer brands?",
        "哪个回答更简短？",
        "???",
    ]
    ids = ids_of(texts)
    assert ids[:3] == ["names-fewer-brands", "names-fewer-brands-title", "names-fewer-brands-2"]
    assert len(set(ids)) == len(ids)
    assert ids_of([*texts, "Which answer names fewer brands and places?"])[:5] == ids, "a later principle renames none"
    assert ids_of(texts[3:]) == ids[3:], "what stands before changes nothing"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "", "empty"),
        ("x.json", "[1, 2", "x.json:1:6: not valid JSON"),
        ("x.json", "[1, 2]", "entry 1: neither a text nor a critique with its revision"),
        ("x.json", '["good", {"critique": "only"}]', "entry 2: neither a text nor a critique with its revision"),
        ("x.json", '{"a": {"prompt": [], "edit_request": "y"}}', "key 'a': neither a text"),
        ("x.json", "[]", "no principles found"),
        ("x.json", "{}", "no principles found"),
        ("x.json", "7", "no principles found"),
        ("x.json", "[" * 100_000, "nested too deeply"),
        ("x.txt", "# nothing but a comment\n", "no principles found"),
        ("x.yaml", "name: x\ntiers: []\n", "this is YAML"),
        ("x.txt", '{"half": ', "not valid JSON"),
    ],
)
def test_another_format_is_refused_with_what_is_read(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(ConfigError) as caught:
        read_list(path)
    assert message in str(caught.value)
    assert "a JSON list of critique and revision pairs" in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_list(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="Is a directory"):
        read_list(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 3"):
        read_list(tmp_path / "latin.txt")


@needs_reference
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("constitution_anthropic.json", 16),
        ("constituion_grok.json", 2),
        ("nemo_CritiqueRevisionInstructions.json", 16),
        ("nemo_sys_prompt_constitution.txt", 16),
    ],
)
def test_the_published_lists_round_trip(tmp_path: Path, name: str, count: int) -> None:
    source = Path(REFERENCE) / "constitutions" / name
    back = round_trip(source, tmp_path)
    assert len(back) == count
    raw = " ".join(source.read_text(encoding="utf-8").replace("\\n", " ").split())
    if name.endswith(".json"):
        data = json.loads(source.read_text(encoding="utf-8"))
        items = data.get("constitutions") or list(data.values())
        for item, pair in zip(items, back, strict=True):
            assert isinstance(pair, Pair)
            critique = item.get("critic") or item["prompt"][0]
            revision = item.get("revision") or item["edit_request"]
            assert critique.removeprefix("\n\nCritiqueRequest: ").removesuffix("\n\nCritique:") == pair.critique
            assert revision.removeprefix("\n\nRevisionRequest: ").removesuffix("\n\nRevision:") == pair.revision
    else:
        assert [number for number, text in enumerate(back, 1) if f" {number}. {text} " not in raw] == []
