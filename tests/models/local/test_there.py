"""A model that is not where its name says: what is wrong, in our words, at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import is_offline_mode

from constitutional.cli import main
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Message
from constitutional.errors import ModelUnavailableError
from constitutional.models.local import away
from constitutional.models.local.checkpoint import LocalModel
from constitutional.models.local.there import base_of_adapter, check_there
from constitutional.models.transformers import TransformersModel
from constitutional.roles import ModelSetup
from tests.support.asking import ask_once
from tests.support.hub import serve_hub
from tests.support.hub_store import Blob, FakeHub, Fault
from tests.support.tiny_model import make_tiny_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("there") / "whole")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def said(path: str | Path, revision: str | None = None) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        check_there("mine", str(path), revision)
    return str(caught.value)


def test_a_whole_folder_is_none_of_it(folder: Path) -> None:
    check_there("mine", str(folder))


def test_what_a_folder_lacks(folder: Path) -> None:
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert said(folder) == (
        "mine: model.safetensors is a pointer of Git LFS and no weights: run `git lfs pull` in that folder"
    )
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert said(folder) == (
        "mine: model-00002-of-00002.safetensors is missing, which model.safetensors.index.json names: copy it again"
    )
    (folder / "model-00001-of-00002.safetensors").unlink()
    (folder / "training_args.bin").write_bytes(b"no weights")
    assert said(folder) == "mine: no weights in it: none of its files is a .safetensors or .bin"
    check_there("mine", str(folder), weights=False)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model.safetensors").write_bytes(b"weights")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    assert said(folder) == "mine: no tokenizer in it: save one there, as tokenizer.json"
    check_there("mine", str(folder), tokenizer=False)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"notes.txt": ""}, "not a model folder: no config.json in it"),
        ({"best/config.json": "{}"}, "not a model folder: no config.json in it; did you mean '{}/best'?"),
        ({"q4.gguf": ""}, "not a model folder: no config.json in it; weights as .gguf are for llama.cpp"),
    ],
)
def test_a_folder_that_is_no_model(files: dict[str, str], why: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelUnavailableError) as caught:
        LocalModel.of(ModelSetup("transformers", str(tmp_path), None), None, {})
    assert str(caught.value).startswith(f"transformers:{tmp_path}: {why.format(tmp_path)}")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"adapter_config.json": "[]"}, "its adapter_config.json does not say which model it belongs to"),
        ({"adapter_config.json": '{"base_model_name_or_path": "/nowhere"}'}, "belongs to is not at /nowhere"),
        ({"adapter_config.json": '{"base_model_name_or_path": "user/base"}'}, "no weights in it: a LoRA adapter has"),
    ],
)
def test_an_adapter_that_is_none(files: dict[str, str], why: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelUnavailableError, match=why):
        base_of_adapter("mine", tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve_hub(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def put(hub: FakeHub, name: str, files: dict[str, bytes]) -> None:
    repo = hub.repos[name]
    repo.commits[-1].files.update({path: Blob(len(content), content) for path, content in files.items()})


def test_a_name_that_the_hub_does_not_know(hub: FakeHub) -> None:
    assert said("somebody/nothing").startswith(
        f"mine: no such folder here, and no such model at {hub.url}: check the name; for a private one log in with `hf auth"
    )
    assert said("no name at all") == (
        "mine: no such folder here, and no name that the Hub could have: give a model folder, or user/name"
    )


def test_a_repository_that_holds_no_model(hub: FakeHub) -> None:
    hub.create("user/empty", "model", False)
    put(hub, "user/empty", {"README.md": b"soon"})
    assert said("user/empty") == "mine: no model on the Hub: no config.json in it"
    put(hub, "user/empty", {"config.json": b"{}"})
    assert said("user/empty") == ("mine: no weights in it on the Hub: none of its files is a .safetensors or .bin")
    put(hub, "user/empty", {"model.safetensors": b"x", "tokenizer.json": b"{}"})
    check_there("mine", "user/empty")
    assert said("user/empty", "v9") == f"mine: {hub.url}/user/empty has no revision 'v9'"


def test_a_gated_model_says_where_to_ask(hub: FakeHub) -> None:
    hub.faults.append(Fault("api/models/user/gated", 403, "Access is restricted", "GatedRepo"))
    assert said("user/gated").startswith(
        f"mine: its owner wants to be asked first: accept the terms at {hub.url}/user/gated, and log in with"
    )


def test_a_hub_with_trouble(hub: FakeHub) -> None:
    hub.faults.append(Fault("api/models", 503))
    assert said("user/name") == f"mine: {hub.url} answered 503: try again later"


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        nobody = f"http://127.0.0.1:{listening.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    found = said("user/name")
    assert found.startswith(f"mine: no such folder here, and {nobody} does not answer (")
    assert found.endswith("): check the name and the network, or give the folder of a model that is here")


def test_offline_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert said("user/name") == (
        "mine: no such folder here and not in the Hub's cache, and HF_HUB_OFFLINE forbids to ask: "
        "give the folder of a model that is here"
    )


@pytest.fixture
def fetched(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that is in the Hub's cache, and a Hub that cannot be reached."""
    cache = tmp_path / "cache"
    snapshot = cache / "models--user--name" / "snapshots" / ("c0ffee" + "0" * 34)
    shutil.copytree(whole, snapshot)
    (cache / "models--user--name" / "refs").mkdir()
    (cache / "models--user--name" / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
    return snapshot


def test_what_was_fetched_is_used_without_the_hub_and_said(fetched: Path) -> None:
    lines: list[str] = []
    with away.loading():
        with away.loading():
            check_there("mine", "user/name", say=lines.append)
        assert (is_offline_mode(), os.environ["HF_HUB_OFFLINE"]) == (True, "1")
        with pytest.raises(ModelUnavailableError, match=r"not in the Hub's cache, and http://\S+ does not answer"):
            check_there("other", "user/other")
    assert (is_offline_mode(), "HF_HUB_OFFLINE" in os.environ) == (False, False)
    (line,) = lines
    assert line.startswith("note: mine: http://127.0.0.1:")
    assert line.endswith("): taken as it was fetched before, c0ffee0")


def test_what_was_fetched_in_part_is_none_without_the_hub(fetched: Path) -> None:
    (fetched / "model.safetensors").unlink()
    assert re.fullmatch(r"mine: no weights in it in the Hub's cache, and \S+ does not answer \(.*", said("user/name"))


def test_a_hub_that_answers_is_left_to_its_library(fetched: Path, hub: FakeHub) -> None:
    lines: list[str] = []
    check_there("mine", "user/name", say=lines.append)
    assert (lines, hub.asked) == ([], ["HEAD /api/models"])
    hub.faults.append(Fault("api/models", 503))
    check_there("mine", "user/name", say=lines.append)
    assert "does not answer (status 503): taken as it was fetched" in lines[0]


def test_a_model_that_was_fetched_answers_without_the_hub(fetched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of its own accord transformers asks for minutes."""
    model = TransformersModel.create(ModelSetup("transformers", "user/name", None))
    request = ChatRequest((Message("user", "Where?"),), Sampling(max_tokens=2))
    assert ask_once(model, lambda asked: asked.chat(request)).usage.completion
    assert "note: transformers:user/name: http://127.0.0.1:" in capsys.readouterr().err


def test_a_training_begins_without_the_hub(
    fetched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"prompt": f"Where is {n}?", "chosen": f"On its way, {n}.", "rejected": "No idea."} for n in range(4)]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["constitutional", "train", "pairs.jsonl", "--model", "user/name", "--dry-run", "--out", "out"]
    )
    with pytest.raises(SystemExit) as left:
        main()
    shown = capsys.readouterr()
    assert left.value.code == 0, shown.err
    assert "note: user/name: http://127.0.0.1:" in shown.out


@pytest.mark.parametrize(
    "command",
    [
        ("generate", "--prompts", "prompts.jsonl", "--model", "transformers:user/name", "--quiet"),
        ("train", "pairs.jsonl", "--model", "user/name"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_without_network(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, where transformers' own is long and comes after half a minute of attempts."""
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Where is my parcel?"}\n')
    rows = [{"prompt": f"Where is {n}?", "chosen": f"On its way, {n}.", "rejected": "No idea."} for n in range(4)]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(sys, "argv", ["constitutional", *command, "--out", "out"])
    with pytest.raises(SystemExit) as left:
        main()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert left.value.code == 1
    assert "user/name: no such folder here and not in the Hub's cache, and HF_HUB_OFFLINE forbids to ask" in line
