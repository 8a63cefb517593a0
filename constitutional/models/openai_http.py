"""Chat completions over aiohttp alone, for servers that speak OpenAI's API at an address of their own.

The SDK builds options, headers, a request and a response object around each call; that is two thirds of what a call costs
this process, and a local server has nothing for it to do. Errors are told apart just as with the SDK."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from constitutional.errors import MissingExtraError
from constitutional.models.http import no_answer, parse_retry_after, raise_for_status
from constitutional.models.started import Started

PATH = "/chat/completions"


class PlainHttp:
    """One session of one model. Opened at the first call, in the event loop that makes it."""

    def __init__(self, model: str, address: str, key: str, timeout: float, most: int) -> None:
        self._model = model
        self._address = address.rstrip("/") + PATH
        self._key = key
        self._timeout = timeout
        self._most = most
        self._proxy = proxy_for(self._address)
        self._imported = Started(_import)
        self._session: Any = None

    async def post(self, content: bytes) -> bytes:
        """The body of a reply; any status but success is an error of ours."""
        session = self._session or await self._open()
        import aiohttp

        try:
            async with session.post(self._address, data=content, proxy=self._proxy) as response:
                body: bytes = await response.read()
                if response.status < 400:
                    return body
                retry_after = parse_retry_after(response.headers.get("retry-after"))
        except TimeoutError as error:  # its own cause is that the request was cancelled
            raise no_answer(self._model, TimeoutError(), self._timeout) from error
        except (aiohttp.ClientError, OSError) as error:
            raise no_answer(self._model, error, self._timeout) from error
        detail, code = _fault(body)
        raise_for_status(self._model, response.status, detail, code, retry_after)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _open(self) -> Any:
        await self._imported.get()
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._most),
                headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self._timeout),
            )
        return self._session


def _import() -> None:
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.naming("aiohttp", "openai") from error


def proxy_for(address: str) -> str | None:
    """What the environment names for an address (``HTTP_PROXY``, ``NO_PROXY``). Asked once: aiohttp would ask at every call,
    and look for a ``.netrc``, each in a thread."""
    url = urlsplit(address)
    return None if url.hostname and proxy_bypass(url.hostname) else getproxies().get(url.scheme)


def _fault(body: bytes) -> tuple[str, str | None]:
    """What a server says is wrong, and its code for it, in whatever form it says it."""
    text = body.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        return text, None
    fault = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(fault, dict):
        return str(fault), None
    code = fault.get("code")
    return str(fault.get("message") or fault.get("detail") or text), None if code is None else str(code)
