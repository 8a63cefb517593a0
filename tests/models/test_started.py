"""What takes long to import is imported beside the event loop, which goes on: Ctrl-C is heard, other models are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.server import Server, serve

CODE = """
import asyncio, sys, threading
from constitutional.core.messages import ChatRequest
from constitutional.core.records import Message
from constitutional.plugins import PluginHost
from constitutional.roles import ModelSetup

HEAVY, where = {"aiohttp", "httpx2", "openai", "anthropic"}, {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in HEAVY:
            where.setdefault(name, threading.current_thread() is threading.main_thread())

async def ask(provider, url, options):
    registered = PluginHost(installed=False).get("model", provider)
    model = registered.factory(
        ModelSetup(provider, "test-model", registered.options(options, "here"), base_url=url, timeout=30.0)
    )
    request = ChatRequest((Message("user", "What is a kettle?"),))
    await asyncio.gather(*(model.chat(request) for _ in range(4)))
    await model.aclose()

sys.meta_path.insert(0, Watch())
asyncio.run(ask({provider!r}, {url!r}, {options!r}))
print(__import__("json").dumps(where))
"""


def imported(provider: str, url: str, **options: object) -> dict[str, bool]:
    """Module → whether it was imported in the thread of the event loop."""
    code = CODE
    for name, value in (("provider", provider), ("url", url), ("options", options)):
        code = code.replace(f"{{{name}!r}}", repr(value))
    keys = {"OPENAI_API_KEY": "test", "ANTHROPIC_API_KEY": "test"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | keys, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, bool] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as one:
        yield one


@pytest.mark.parametrize(
    ("provider", "options", "module"),
    [("openai", {}, "aiohttp"), ("openai", {"sdk": True}, "openai"), ("anthropic", {}, "anthropic")],
)
def test_an_sdk_is_imported_in_a_thread(provider: str, options: dict[str, object], module: str, server: Server) -> None:
    url = server.anthropic_url if provider == "anthropic" else server.url
    found = imported(provider, url, **options)
    assert module in found
    assert not any(found.values())
