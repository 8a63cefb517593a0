"""Starts the server: on this machine's own address, and with a token that nobody can guess."""

from __future__ import annotations

import contextlib
import getpass
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from constitutional.errors import MissingExtraError, UsageError

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 8642, 20


def serve(paths: Sequence[Path], *, port: int | None, annotator: str | None, ready: Callable[[str], None]) -> None:
    """Until it is interrupted. ``ready`` is given the address when the page can be asked for."""
    try:
        import uvicorn

        from constitutional.view.app import Viewer
        from constitutional.view.shelf import shelf
    except ImportError as error:
        raise MissingExtraError.naming((error.name or "starlette").partition(".")[0], "view") from error
    runs = shelf(paths)
    listening = _socket(port)
    token = secrets.token_urlsafe(24)
    viewer = Viewer(runs, token, annotator or _user())
    try:
        for run in runs:
            run.start()
        server = uvicorn.Server(
            uvicorn.Config(viewer.app(), log_level="error", access_log=False, server_header=False, lifespan="off")
        )
        ready(f"http://{HOST}:{listening.getsockname()[1]}/{token}/")
        with contextlib.suppress(KeyboardInterrupt):  # how a reader ends it: no error
            server.run(sockets=[listening])
    finally:
        listening.close()
        for run in runs:
            run.stop()


def _socket(port: int | None) -> socket.socket:
    """Without a port the first free one of a few, so that a bookmark may hold; 0 takes any."""
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else [port]
    for number in wanted:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, number))
            listening.listen(64)
        except OSError as error:
            listening.close()
            if port is not None:
                raise UsageError(f"--port {port}: {error.strerror}: choose another, or 0 for any") from error
        else:
            return listening
    raise UsageError(f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1}: name one with --port, or 0 for any")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "human"


def runs_here(folder: Path) -> list[Path]:
    """The runs in ``runs/``, the newest first."""
    found = [path.parent for path in folder.glob("*/run.db") if path.stat().st_size]
    return sorted(found, key=lambda path: (path / "run.db").stat().st_mtime, reverse=True)
