"""What the Hub on loopback holds: repositories with commits, branches and tags, and large files on disk. Faults on request;
it records what was asked."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITER, READER, SMALL = "hf_writer_token_abcdefgh", "hf_reader_token_abcdefgh", 512
"""A file of more bytes than that, or of bytes that are no text, is a large one. (The real Hub: ten megabytes.)"""
PLURALS = {"model": "models", "dataset": "datasets", "space": "spaces"}


@dataclass(frozen=True)
class Blob:
    """A file of a commit: its content, or for a large one the digest under which it lies in the store."""

    size: int
    content: bytes = b""
    sha256: str | None = None

    @property
    def oid(self) -> str:
        """As preupload tells it: git's digest, or that of the large file."""
        return self.sha256 or hashlib.sha1(b"blob %d\0" % self.size + self.content).hexdigest()


@dataclass
class Commit:
    oid: str
    message: str
    files: dict[str, Blob]


@dataclass
class Repo:
    kind: str
    private: bool
    commits: list[Commit]
    branches: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)

    def find(self, revision: str) -> Commit | None:
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return next((commit for commit in self.commits if commit.oid == oid), None)


@dataclass
class Fault:
    """What happens to requests whose ``METHOD path`` the pattern is found in."""

    pattern: str
    status: int = 0
    """0: the connection is cut."""
    message: str = "planted"
    code: str = ""
    """What the Hub calls it: GatedRepo, RepoNotFound, …"""
    times: int = 1
    after: int = 0
    """So many such requests go through first."""
    meanwhile: Callable[[], None] | None = None
    """Called before the answer, for a client that is killed just then."""


@dataclass
class FakeHub:
    folder: Path
    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.asked)

    def stored(self, sha256: str) -> Path:
        return self.folder / sha256

    def head(self, name: str, revision: str = "main") -> dict[str, Blob]:
        commit = self.repos[name].find(revision)
        assert commit is not None, f"no {revision} in {name}"
        return commit.files

    def read(self, name: str, path: str, revision: str = "main") -> bytes:
        return self.content(self.head(name, revision)[path])

    def content(self, blob: Blob) -> bytes:
        return self.stored(blob.sha256).read_bytes() if blob.sha256 else blob.content

    def create(self, name: str, kind: str, private: bool) -> None:
        first = Commit("0" * 40, "initial commit", {".gitattributes": Blob(0)})
        self.repos[name] = Repo(kind, private, [first], {"main": first.oid})

    def commit(self, repo: Repo, revision: str, lines: list[dict[str, Any]]) -> Commit:
        parent = repo.find(revision)
        assert parent is not None
        files, message = dict(parent.files), ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                content = base64.b64decode(value["content"])
                files[value["path"]] = Blob(len(content), content)
            elif line["key"] == "lfsFile":
                assert self.stored(value["oid"]).is_file(), "a commit names a large file that never arrived"
                files[value["path"]] = Blob(value["size"], sha256=value["oid"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise AssertionError(line["key"])
        named = json.dumps([parent.oid, message, sorted((path, blob.oid) for path, blob in files.items())])
        made = Commit(hashlib.sha1(named.encode()).hexdigest(), message, files)
        repo.commits.append(made)
        repo.branches[revision] = made.oid
        return made
