"""A push arrives whole, once, and private; what is wrong is said; nothing of this machine travels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from constitutional.cli.push import command
from constitutional.errors import ConstitutionalError, UsageError
from constitutional.ledger import RunFolder
from tests.support.datasets import made, prompts, rows_of
from tests.support.hub import serve_hub
from tests.support.hub_store import READER, WRITER, FakeHub, Fault

REPO = "user/prefs"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    made(folder)
    return folder / "run"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    from huggingface_hub import constants

    with serve_hub(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield server


def push(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


def pushed(source: Path, *more: str) -> Result:
    return push(source, REPO, "--accept-ungated", *more)


def test_everything_arrives_in_one_private_commit(source: Path, hub: FakeHub) -> None:
    done = json.loads(pushed(source, "--json").stdout)
    repo = hub.repos[REPO]
    assert repo.private
    assert [commit.message for commit in repo.commits] == [
        "initial commit",
        "A preference dataset, with its card and what made it",
    ]
    assert done["commit"] == repo.commits[-1].oid
    manifest = json.loads(hub.read(REPO, "manifest.json"))
    travelling = {path for path, entry in manifest["files"].items() if not entry["local"]}
    assert set(hub.head(REPO)) == travelling | {"manifest.json", ".gitattributes"}
    for path in travelling - {"README.md"}:
        assert hub.read(REPO, path) == (source / "dataset" / path).read_bytes()
    card = hub.read(REPO, "README.md").decode()
    assert f'load_dataset("{REPO}", "preference"' in card
    assert "PATH_OR_HUB_ID" not in card
    assert WRITER not in json.dumps(done)


def test_again_nothing_is_sent_and_no_commit_is_made(source: Path, hub: FakeHub) -> None:
    pushed(source)
    sent = hub.count("^PUT ")
    pushed(source)
    assert (hub.count("^PUT "), len(hub.repos[REPO].commits)) == (sent, 2)


def test_files_of_an_earlier_push_do_not_stay(source: Path, hub: FakeHub, tmp_path: Path) -> None:
    pushed(source)
    repo = hub.repos[REPO]
    lines = [{"key": "header", "value": {"summary": "by hand"}}]
    for path in ("preference/train-00001-of-00002.parquet", "LICENSE"):
        lines.append({"key": "file", "value": {"path": path, "content": "bWluZQ=="}})
    hub.commit(repo, "main", lines)
    done = pushed(source)
    assert "preference/train-00001-of-00002.parquet" not in hub.head(REPO), (
        "shards of two pushes would be read together"
    )
    assert hub.read(REPO, "LICENSE") == b"mine"
    assert "removed: preference/train-00001-of-00002.parquet" in done.stderr


def test_branch_and_tag(source: Path, hub: FakeHub) -> None:
    pushed(source, "--revision", "next", "--tag", "v1")
    repo = hub.repos[REPO]
    assert len(repo.commits) == 2
    assert repo.branches["main"] == repo.commits[0].oid
    assert repo.branches["next"] == repo.tags["v1"] == repo.commits[1].oid
    with pytest.raises(ConstitutionalError, match=r"the tag 'v1' cannot be set.*409"):
        pushed(source, "--revision", "next", "--tag", "v1")


def test_a_public_repository_is_filled_only_on_purpose(source: Path, hub: FakeHub) -> None:
    hub.create(REPO, "dataset", private=False)
    with pytest.raises(ConstitutionalError, match="user/prefs is public: add --public"):
        pushed(source)
    assert len(hub.repos[REPO].commits) == 1
    pushed(source, "--public")
    assert len(hub.repos[REPO].commits) == 2
    push(source, "user/other", "--accept-ungated", "--public")
    assert not hub.repos["user/other"].private


@pytest.mark.parametrize(
    ("fault", "token", "message"),
    [
        (None, "hf_wrong_token_abcdefg", r"the token is not accepted.*hf auth login.*HF_TOKEN.*401"),
        (None, READER, r"needs write permission for 'user'.*403"),
        (
            Fault("/commit/", 409, "A commit has happened since."),
            WRITER,
            r"changed it at the same moment.*409: A commit",
        ),
        (Fault("/commit/", 500, "oops"), WRITER, r"the Hub has trouble: run the same command again.*500: oops"),
        (Fault("/repos/create", 500, "oops"), WRITER, r"cannot be made or seen: the Hub has trouble.*500"),
        (Fault("/repos/create", 0), WRITER, r"does not answer"),
        (Fault("/lfs/objects/batch", 403, "over quota"), WRITER, r"\.parquet cannot be uploaded.*403: over quota"),
        (Fault("validate-yaml", 400, "bad card"), WRITER, r"cannot be committed: it was refused.*400: bad card"),
    ],
    ids=lambda value: str(value.pattern) + str(value.status) if isinstance(value, Fault) else None,
)
def test_what_the_hub_refuses_is_said(
    source: Path, hub: FakeHub, fault: Fault | None, token: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    hub.faults = [fault] if fault else []
    with pytest.raises(ConstitutionalError, match=message) as raised:
        pushed(source)
    assert token not in str(raised.value)
    assert "\n" not in str(raised.value)
    if fault is not None:
        pushed(source)
        assert len(hub.repos[REPO].commits) == 2, "the same command again goes through, in one commit"


def test_a_token_in_the_answer_of_the_server_is_not_printed(source: Path, hub: FakeHub) -> None:
    hub.faults = [Fault("/commit/", 500, f"no access with {WRITER}")]
    with pytest.raises(ConstitutionalError, match="no access with <token>"):
        pushed(source)


def test_without_a_token_it_says_how_to_log_in(source: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConstitutionalError, match="not logged in to the Hub: log in with `hf auth login`"):
        pushed(source)
    assert hub.asked == []


def test_a_dry_run_shows_files_sizes_and_card_and_asks_nothing(
    source: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    done = push(source, REPO, "--dry-run")
    assert "would be refused: run" in done.stderr
    assert "# Preferences by the constitution words" in done.stdout
    said = json.loads(push(source, REPO, "--dry-run", "--json").stdout)
    for path, size in said["files"].items():
        if path not in ("README.md", "manifest.json"):
            assert size == (source / "dataset" / path).stat().st_size
            assert path in done.stdout
    assert hub.asked == []


def test_ungated_labels_are_refused(source: Path, hub: FakeHub) -> None:
    with pytest.raises(UsageError, match=r"nothing says that its judge is fit to label.*--accept-ungated"):
        push(source, REPO)
    assert hub.asked == []


def test_an_incomplete_run_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    made(tmp_path, max_calls=60)
    with pytest.raises(UsageError, match=r"the run is incomplete \(budget\).*--accept-incomplete"):
        pushed(tmp_path / "run")
    pushed(tmp_path / "run", "--accept-incomplete")
    assert "It is incomplete: not every prompt was finished (budget)." in hub.read(REPO, "README.md").decode()


def test_a_run_that_went_on_and_a_changed_file_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    from tests.support.datasets import TIERS
    from tests.support.runs import run

    made(tmp_path, prompts(6))
    shard = next((tmp_path / "run" / "dataset" / "rejects").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes() + b" ")
    with pytest.raises(UsageError, match="is not as it was written"):
        pushed(tmp_path / "run")
    run(tmp_path, prompts(6), *TIERS[:2])
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UsageError, match="the run went on after its dataset was written"):
        pushed(tmp_path / "run")


@pytest.mark.parametrize("name", ["prefs", "a/b/c", "user/na--me", "user/"])
def test_a_name_that_is_no_hub_id_is_refused(source: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no Hub id"):
        push(source, name, "--dry-run")


KEY, HOST, HOME = "sk-planted0123456789abcdef", "gpu-7.secret.example:8443", "/home/planted-person"


def test_keys_addresses_and_paths_do_not_travel(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted in settings, options, file names and in what goes wrong."""
    from constitutional.errors import RequestRefusedError
    from tests.support.runs import World

    monkeypatch.setenv("PLANTED_KEY", KEY)
    said = f"Incorrect API key provided: {KEY}, asked at http://{HOST}/v1 with {HOME}/keys/a.txt and {tmp_path}/x"

    def respond(question: str, sample: int) -> str:
        if "nothing" in question:
            raise RequestRefusedError(said)
        return question

    model = {
        "name": "scripted:tests.support.runs:answer", "base_url": f"http://{HOST}/v1", "api_key_env": "PLANTED_KEY",
        "options": {"logprobs": True},
    }  # fmt: skip
    template = tmp_path / "mine.jinja"
    from constitutional.resources import data_folder

    template.write_text((data_folder("prompts") / "judge" / "pairwise.jinja").read_text())
    made(tmp_path, models={"policy": model}, max_failure_rate=1.0,
         judge={"plugin": "pairwise-logprob", "options": {"template": str(template)}},
         world=World(respond=respond))  # fmt: skip
    rejects = [row for row in rows_of(tmp_path / "run", "rejects") if row["reason"] == "request_refused"]
    assert rejects
    assert all("<secret>" in row["detail"] and "<path>" in row["detail"] for row in rejects)
    push(tmp_path / "run", REPO, "--accept-ungated", "--accept-incomplete")
    whole = b"".join(hub.content(blob) for blob in hub.head(REPO).values()) + _uncompressed(tmp_path / "run")
    planted = (KEY, HOST, HOST.partition(":")[0], "planted-person", "PLANTED_KEY", str(tmp_path), WRITER)
    assert [text for text in planted if text.encode() in whole] == []
    (config,) = [path for path in hub.head(REPO) if path.endswith("/config.yaml")]
    assert "template: templates/mine.jinja" in hub.read(REPO, config).decode()
    assert hub.read(REPO, config.replace("config.yaml", "templates/mine.jinja")) == template.read_bytes()


def _uncompressed(run: Path) -> bytes:
    """Parquet is compressed: its rows as text."""
    return json.dumps([rows_of(run, subset) for subset in ("preference", "sft", "unpaired", "rejects")]).encode()


def test_what_travels_is_enough_to_run_again(source: Path, hub: FakeHub, tmp_path: Path) -> None:
    import yaml

    from constitutional.config.constitution import constitution_digest, load_constitution
    from constitutional.config.run import RunConfig

    pushed(source)
    (config,) = [path for path in hub.head(REPO) if path.endswith("/config.yaml")]
    again = RunConfig.model_validate(yaml.safe_load(hub.read(REPO, config)))
    assert (again.constitution, again.prompts, again.test_fraction) == ("constitution.yaml", "prompts.jsonl", 0.3)
    (tmp_path / "c.yaml").write_bytes(hub.read(REPO, config.replace("config.yaml", "constitution.yaml")))
    run = next(iter(json.loads(hub.read(REPO, "manifest.json"))["runs"].values()))
    assert constitution_digest(load_constitution(tmp_path / "c.yaml")) == run["constitution"]["digest"]


def test_a_model_goes_with_its_card_and_without_what_a_training_keeps(hub: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    (folder / "checkpoint-10").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"has no card \(README.md\)"):
        push(folder, "user/model", "--model")
    (folder / "README.md").write_text(f"---\nlibrary_name: transformers\n---\n\n# tuned\n\nfrom {HOME}/base model\n")
    with pytest.raises(UsageError, match="holds no weights"):
        push(folder, "user/model", "--model")
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 4)
    (folder / "config.json").write_text(json.dumps({"_name_or_path": f"{HOME}/models/base", "hidden_size": 8}))
    (folder / "training.json").write_text(json.dumps({"settings": {"source": f"{HOME}/run"}, "loss": 0.5}))
    for name in ("training_args.bin", "checkpoint-10/model.safetensors", ".lock"):
        (folder / name).write_bytes(b"x")
    push(folder, "user/model", "--model")
    repo = hub.repos["user/model"]
    assert (repo.kind, repo.private) == ("model", True)
    files = set(hub.head("user/model")) - {".gitattributes"}
    assert files == {"README.md", "model.safetensors", "config.json", "training.json"}
    assert json.loads(hub.read("user/model", "config.json")) == {"_name_or_path": "base", "hidden_size": 8}
    assert not any(b"planted-person" in hub.content(blob) for blob in hub.head("user/model").values())


def environment(hub: FakeHub, folder: Path) -> dict[str, str]:
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": WRITER, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0",
           "HF_HOME": str(folder / "home"), "HF_DATASETS_OFFLINE": "0"}  # fmt: skip
    return os.environ | own


LOAD = """
import json, sys
from datasets import load_dataset
found = {s: load_dataset(sys.argv[1], s) for s in ("preference", "sft", "unpaired", "rejects")}
print(json.dumps({s: {split: list(rows) for split, rows in d.items()} for s, d in found.items()}))
"""


@pytest.mark.slow
def test_killed_half_way_and_repeated_it_is_one_whole_commit_that_loads_equal(source: Path, tmp_path: Path) -> None:
    """As a user has it: the command line, `HF_ENDPOINT`, and `datasets` on the other side."""
    with serve_hub(tmp_path / "hub") as hub:
        command_line = [sys.executable, "-m", "constitutional", "push", str(source), REPO, "--accept-ungated", "--json"]
        own = environment(hub, tmp_path)
        reached, killed = threading.Event(), threading.Event()

        def stop() -> None:
            reached.set()
            killed.wait(60)

        hub.faults = [Fault("^PUT ", after=2, meanwhile=stop)]
        process = subprocess.Popen(command_line, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not reached.wait(0.05):
            assert process.poll() is None, f"it ended before the third large file: {process.communicate()}"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.set()
        sent = hub.count("^PUT ")
        assert sent == 3
        assert len(hub.repos[REPO].commits) == 1, "nothing of a half upload is to be seen"

        done = subprocess.run(command_line, env=own, capture_output=True, text=True, timeout=200, check=True)
        large = sum(blob.sha256 is not None for blob in hub.head(REPO).values())
        assert hub.count("^PUT ") - sent == large - 2, "what had arrived is not sent again"
        assert len(hub.repos[REPO].commits) == 2
        assert json.loads(done.stdout)["commit"] == hub.repos[REPO].commits[1].oid
        assert hub.tokens == {WRITER}
        assert WRITER not in done.stdout + done.stderr

        loaded = subprocess.run(
            [sys.executable, "-c", LOAD, REPO], env=own, capture_output=True, text=True, timeout=250, check=True
        )
        verified = subprocess.run(
            [sys.executable, "-m", "constitutional", "verify", REPO, "--json"],
            env=own, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    from constitutional.dataset.source import DatasetFolder

    there = DatasetFolder.find(source)
    for subset, splits in json.loads(loaded.stdout).items():
        assert {split: list(there.rows(subset, split)) for split in there.splits(subset)} == splits
    said: dict[str, Any] = json.loads(verified.stdout)
    assert (verified.returncode, said["faults"], said["warnings"]) == (0, [], [])
    assert said["content"] == json.loads((source / "dataset" / "manifest.json").read_text())["content"]
    assert RunFolder(source).started
