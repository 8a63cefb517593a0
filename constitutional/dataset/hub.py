"""The Hugging Face Hub: who we are there, and what its errors mean. ``huggingface_hub`` is imported here and only when
it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import Any, Literal

from constitutional.errors import ConstitutionalError, MissingExtraError, UsageError, first_line
from constitutional.ledger.missing import meant

Kind = Literal["dataset", "model"]
LOGIN = (
    "log in with `hf auth login`, or put a token with write permission (https://huggingface.co/settings/tokens) into the "
    "environment variable HF_TOKEN"
)


class Hub:
    def __init__(self) -> None:
        try:
            import huggingface_hub
            from huggingface_hub.utils import logging
            from huggingface_hub.utils.tqdm import disable_progress_bars
        except ImportError as error:
            raise MissingExtraError.naming("huggingface_hub", "hub") from error
        disable_progress_bars()
        logging.set_verbosity(ERROR)
        self._token = huggingface_hub.get_token()
        self.endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        self.api: Any = huggingface_hub.HfApi(
            endpoint=self.endpoint, token=self._token or False, library_name="constitutional"
        )

    def demand_token(self) -> None:
        if not self._token:
            raise ConstitutionalError(f"not logged in to the Hub: {LOGIN}")

    def url(self, repo: str, kind: Kind) -> str:
        return f"{self.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"

    @contextmanager
    def speaking(self, doing: str, repo: str) -> Iterator[None]:
        """Its errors as ours: what could not be done, why, and what to do."""
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except ConstitutionalError:
            raise
        except Exception as error:
            cause = _http_error(error, HfHubHTTPError)
            if cause is not None:
                status = cause.response.status_code
                raise ConstitutionalError(
                    self._clean(f"{repo}: {doing}: {_meaning(status, repo)} ({status}: {_said(cause)})")
                ) from None
            if isinstance(error, ValueError):
                raise ConstitutionalError(self._clean(f"{repo}: {doing}: {first_line(error)}")) from None
            if isinstance(error, OSError | RuntimeError) or _of_http(error):
                reason = first_line(error.__cause__ or error)
                raise ConstitutionalError(
                    self._clean(f"{repo}: {doing}: {self.endpoint} does not answer ({reason}): run the same command again; "
                                "what has arrived stays")
                ) from None  # fmt: skip
            raise

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "<token>") if self._token else text


def check_repo(repo: str) -> str:
    """``user/name``, as the Hub allows it."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"{repo!r} is no Hub id: {first_line(error)}") from error
    if repo.count("/") != 1:
        raise UsageError(f"{repo!r} is no Hub id: it has the form user/name")
    return repo


def is_hub_id(name: str) -> bool:
    """``user/name`` that is no folder here."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name)) and not name.startswith(".") and not Path(name).exists()


def download(repo: str, revision: str | None) -> Path:
    """The files of a dataset, in the Hub's cache of this machine."""
    hub = Hub()
    check_repo(repo)
    with hub.speaking(f"no such folder here{meant(Path(repo))}; from the Hub it cannot be downloaded", repo):
        path: str = hub.api.snapshot_download(repo, repo_type="dataset", revision=revision)
    return Path(path)


def _http_error(error: BaseException, kind: type[Any]) -> Any:
    """The answer of the server, however deep in the chain of causes."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, kind) and found.response is not None:
            return found
        found = found.__cause__ or found.__context__
    return None


def _of_http(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "requests")


def _meaning(status: int, repo: str) -> str:
    owner = repo.partition("/")[0]
    if status == 401:
        return f"the token is not accepted, or there is no such repository: {LOGIN}"
    if status == 403:
        return f"this token may not write there: it needs write permission for {owner!r}"
    if status == 404:
        return "there is no such repository or revision, or the token may not see it"
    if status in (409, 412):
        return (
            "somebody changed it at the same moment, or the name is taken: look at it, then run the same command again"
        )
    if status == 413:
        return "a file is too large for it"
    if status == 429:
        return "too many requests: wait, then run the same command again; what is uploaded stays"
    if status >= 500:
        return "the Hub has trouble: run the same command again, what is uploaded stays"
    return "it was refused"


def _said(error: Any) -> str:
    message = error.server_message or first_line(error)
    return " ".join(str(message).split())[:300]
