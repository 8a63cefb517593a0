"""Held-out prompts are looked for among those of the training, wherever it is known what these were."""

from __future__ import annotations

import json
from pathlib import Path

from constitutional.core.records import Message, Prompt
from constitutional.evaluation.contamination import contaminated, recorded_source


def prompt(text: str, *before: tuple[str, str]) -> Prompt:
    messages = (*(Message(*turn) for turn in before), Message("user", text))
    return Prompt(Prompt.id_of(messages), messages, source=f"held-out.jsonl: {text}")


def trained_on(folder: Path, source: str) -> Path:
    """A model folder whose training says what it was trained on."""
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"settings": {"source": source}}))
    return folder


def rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    lines = [
        {"prompt": [{"role": "user", "content": "Where is my parcel?"}], "completion": "There."},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_what_the_training_recorded_is_looked_up(tmp_path: Path) -> None:
    tuned = trained_on(tmp_path / "tuned", str(rows(tmp_path)))
    same = [prompt("where is MY parcel"), prompt("Who are you?"), prompt("What is new?")]
    (warning,) = contaminated(same, None, tuned)
    assert warning.startswith("2 of the prompts are among those that the tuned model was trained on")
    assert "held-out.jsonl: where is MY parcel" in warning, "case and punctuation make no other prompt"
    assert contaminated([prompt("What is new?")], None, tuned) == []


def test_another_dialogue_that_ends_alike_is_another_prompt(tmp_path: Path) -> None:
    other = prompt("Who are you?", ("user", "Hi"), ("assistant", "Hello"))
    assert contaminated([other], str(rows(tmp_path)), None) == []


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    assert contaminated([prompt("Who are you?")], None, None) == []
    assert contaminated([prompt("Who are you?")], None, tmp_path) == []
    (tmp_path / "training.json").write_text("[not JSON")
    assert recorded_source(tmp_path) is None


def test_data_that_is_gone_is_not_called_clean(tmp_path: Path) -> None:
    tuned = trained_on(tmp_path / "tuned", str(tmp_path / "gone"))
    (warning,) = contaminated([prompt("Who are you?")], None, tuned)
    assert warning.startswith("whether these prompts were trained on is not known: ")
