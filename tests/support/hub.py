"""The Hugging Face Hub on loopback, as far as `huggingface_hub` and `datasets` speak to it: repositories, preupload, LFS,
files and trees. What it holds is in `hub_store`.

Large files lie on disk: a push of a million rows is measured against it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_store import PLURALS, READER, SMALL, WRITER, Blob, Commit, FakeHub, Fault, Repo


@contextmanager
def serve_hub(folder: Path) -> Iterator[FakeHub]:
    hub = FakeHub(folder)
    folder.mkdir(parents=True, exist_ok=True)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    _read = False
    """Whether the body of this request was taken."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self._read = False
        parts = urlsplit(self.path)
        line = f"{self.command} {parts.path}"
        with self.hub.lock:
            self.hub.asked.append(line)
            fault = self._planted(line)
        if fault is not None:
            self._fail(fault)
            return
        try:
            self._route(parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()})
        except _RefusedError as refusal:
            self._drain()
            headers = {"X-Error-Code": refusal.code} if refusal.code else {}
            self._json({"error": str(refusal)}, refusal.status, headers | {"X-Error-Message": str(refusal)})

    def _planted(self, line: str) -> Fault | None:
        """The fault that befalls this request."""
        for fault in self.hub.faults:
            if fault.times > 0 and re.search(fault.pattern, line):
                if not fault.after:
                    fault.times -= 1
                    return fault
                fault.after -= 1
        return None

    def _fail(self, fault: Fault) -> None:
        if fault.meanwhile is not None:
            fault.meanwhile()
        if fault.status:
            self._drain()
            headers = {"X-Error-Code": fault.code} if fault.code else {}
            self._json({"error": fault.message}, fault.status, headers | {"X-Error-Message": fault.message})
        self.close_connection = True
        if not fault.status:
            self.connection.close()

    def _route(self, path: str, query: dict[str, str]) -> None:
        if self.command == "PUT":
            self._store(path.rpartition("/")[2])
        elif path == "/api/whoami-v2":
            self._json(
                {"name": "user", "type": "user", "auth": {"accessToken": {"role": "write"}}, "token": self._who()}
            )
        elif path == "/api/repos/create":
            self._create()
        elif path == "/api/validate-yaml":
            self._validate(self._body())
        elif found := re.fullmatch(r"/(datasets/|)([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._batch(found[2])
        elif found := re.fullmatch(r"/(datasets/|)([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(found[2], unquote(found[3]), unquote(found[4]))
        elif found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/([a-z-]+)(?:/([^/]+)(?:/(.*))?)?)?", path):
            self._api(found[1], found[2], found[3] or "", unquote(found[4] or ""), unquote(found[5] or ""), query)
        else:
            raise _RefusedError(404, f"no such page: {path}", "RepoNotFound")

    def _api(self, plural: str, name: str, what: str, revision: str, path: str, query: dict[str, str]) -> None:
        repo = self._repo(name)
        if PLURALS[repo.kind] != plural:
            raise _RefusedError(404, "Repository not found", "RepoNotFound")
        if what in ("", "revision"):
            self._info(name, repo, revision or "main")
        elif what == "preupload":
            self._preupload(repo, revision)
        elif what == "commit":
            self._commit(name, repo, revision)
        elif what in ("branch", "tag"):
            self._ref(repo, what, revision)
        elif what == "tree":
            self._tree(repo, revision, path, query.get("recursive", "") in ("True", "true", "1"))
        elif what == "paths-info":
            self._paths(repo, revision)
        elif what == "refs":
            named = [{"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": oid}
                     for branch, oid in repo.branches.items()]  # fmt: skip
            self._json({"branches": named, "tags": [], "converts": []})
        else:
            raise _RefusedError(404, f"no such call: {what}")

    def _create(self) -> None:
        body = json.loads(self._body())
        self._may_write()
        name = f"{body['organization'] or 'user'}/{body['name']}"
        if name in self.hub.repos:
            there = {"error": "You already created this dataset repo", "url": f"{self.hub.url}/{name}"}
            self._json(there, 409, {"X-Error-Message": there["error"]})
            return
        self.hub.create(name, body.get("type", "model"), body.get("visibility") == "private")
        self._json({"url": f"{self.hub.url}/{name}", "name": name, "id": name})

    def _validate(self, body: bytes) -> None:
        import yaml

        content = json.loads(body)["content"]
        head = content.split("---\n")[1] if content.startswith("---\n") else ""
        if not isinstance(yaml.safe_load(head), dict):
            raise _RefusedError(400, "empty or missing yaml metadata in repo card")
        self._json({"errors": [], "warnings": []})

    def _info(self, name: str, repo: Repo, revision: str) -> None:
        commit = self._at(repo, revision)
        siblings = [{"rfilename": path} for path in commit.files]
        self._json({"id": name, "_id": "0", "sha": commit.oid, "private": repo.private, "siblings": siblings, "tags": [],
                    "downloads": 0, "likes": 0, "gated": False, "disabled": False})  # fmt: skip

    def _preupload(self, repo: Repo, revision: str) -> None:
        asked = json.loads(self._body())["files"]
        self._may_write()
        there = self._at(repo, revision).files
        self._json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if _is_large(file) else "regular",
                        "shouldIgnore": False,
                        "oid": there[file["path"]].oid if file["path"] in there else None,
                    }
                    for file in asked
                ]
            }
        )

    def _batch(self, name: str) -> None:
        objects = json.loads(self._body())["objects"]
        self._may_write()
        self._repo(name)
        answers: list[dict[str, Any]] = []
        for item in objects:
            answer = {"oid": item["oid"], "size": item["size"]}
            if not self.hub.stored(item["oid"]).is_file():
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"}}
            answers.append(answer)
        self._json({"transfer": "basic", "objects": answers})

    def _store(self, oid: str) -> None:
        part = self.hub.folder / f"{oid}.{threading.get_ident()}.part"
        hashed = hashlib.sha256()
        try:
            with part.open("wb") as file:
                for block in self._blocks():
                    hashed.update(block)
                    file.write(block)
        except ConnectionError:
            part.unlink()
            self.close_connection = True
            return
        if hashed.hexdigest() != oid:
            part.unlink()
            raise _RefusedError(400, "the content is not what its digest says")
        shutil.move(part, self.hub.stored(oid))
        self._json({})

    def _commit(self, name: str, repo: Repo, revision: str) -> None:
        lines = [json.loads(line) for line in self._body().splitlines()]
        self._may_write()
        with self.hub.lock:
            commit = self.hub.commit(repo, revision, lines)
        self._json(
            {"commitUrl": f"{self.hub.url}/{name}/commit/{commit.oid}", "commitOid": commit.oid, "hookOutput": ""}
        )

    def _ref(self, repo: Repo, what: str, revision: str) -> None:
        body = json.loads(self._body() or b"{}")
        self._may_write()
        refs, name = (repo.branches, revision) if what == "branch" else (repo.tags, body["tag"])
        if name in refs:
            raise _RefusedError(409, f"Reference {name} already exists")
        refs[name] = self._at(repo, body.get("startingPoint", "main") if what == "branch" else revision).oid
        self._json({})

    def _tree(self, repo: Repo, revision: str, path: str, recursive: bool) -> None:
        files = {name: blob for name, blob in self._at(repo, revision).files.items() if not path or _under(name, path)}
        entries: list[dict[str, Any]] = [_entry(name, blob) for name, blob in files.items()]
        start = f"{path}/" if path else ""
        inner = {start + name[len(start):].split("/")[0] for name in files if "/" in name[len(start):]}  # fmt: skip
        folders = [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted(inner)]
        if not recursive:
            entries = [entry for entry in entries if "/" not in entry["path"][len(start) :]]
        if path and not files:
            raise _RefusedError(404, f"{path} does not exist", "EntryNotFound")
        self._json([*folders, *entries])

    def _paths(self, repo: Repo, revision: str) -> None:
        body = self._body().decode()
        asked = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
        files = self._at(repo, revision).files
        found = [_entry(path, files[path]) for path in asked if path in files]
        folders = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in asked
                   if path not in files and any(_under(name, path) for name in files)]  # fmt: skip
        self._json([*found, *folders])

    def _file(self, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        commit = self._at(repo, revision)
        if path not in commit.files:
            raise _RefusedError(404, "Entry not found", "EntryNotFound")
        blob = commit.files[path]
        content = self.hub.content(blob)
        headers = {"ETag": f'"{blob.oid}"', "X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        status = 200
        if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(found[1]), int(found[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{min(end, len(content) - 1)}/{len(content)}"
            content, status = content[start : end + 1], 206
        self._send(content, status, headers | {"Content-Type": "application/octet-stream"})

    def _who(self) -> str:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token:
            self.hub.tokens.add(token)
        if token and token not in (WRITER, READER):
            raise _RefusedError(401, "Invalid user token.")
        return token

    def _may_write(self) -> None:
        if not self._who():
            raise _RefusedError(401, "Invalid username or password.")
        if self._who() != WRITER:
            raise _RefusedError(403, "Forbidden: you don't have the necessary permissions")

    def _repo(self, name: str) -> Repo:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._who()):
            raise _RefusedError(401 if not self._who() else 404, "Repository not found", "RepoNotFound")
        return repo

    def _at(self, repo: Repo, revision: str) -> Commit:
        commit = repo.find(revision)
        if commit is None:
            raise _RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def _blocks(self) -> Iterator[bytes]:
        self._read = True
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().split(b";")[0], 16):
                yield self._exactly(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self._exactly(min(left, 1 << 20))
            left -= len(block)
            yield block

    def _exactly(self, length: int) -> bytes:
        block = self.rfile.read(length)
        if len(block) < length:
            raise ConnectionError("the client is gone")
        return block

    def _body(self) -> bytes:
        return b"".join(self._blocks())

    def _drain(self) -> None:
        """A client that still sends would not see the answer."""
        if not self._read:
            for _ in self._blocks():
                pass

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _is_large(file: dict[str, Any]) -> bool:
    try:
        base64.b64decode(file["sample"]).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return bool(file["size"] > SMALL * 1024)


def _under(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def _entry(path: str, blob: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": blob.size, "oid": blob.oid[:40]}
    if blob.sha256:
        entry["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 130}
    return entry
