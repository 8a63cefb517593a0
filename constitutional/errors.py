"""Everything that this package raises on purpose.

    ConstitutionalError
    ├── UsageError (ValueError)             what the user asked for cannot be done as asked        exit 2
    │   ├── ConfigError                     a run file, constitution or flag is wrong; says where
    │   ├── TemplateError                   a template is missing, malformed or names an unknown variable
    │   └── PromptFileError                 the prompts cannot be read at all (a bad row is a reject instead)
    ├── UnknownNameError (LookupError)      no such plugin, template or constitution; near matches     exit 2
    ├── MissingExtraError (ImportError)     an optional package is needed; says what to install        exit 1
    ├── PluginError (RuntimeError)          a plugin that the run names does not work                  exit 1
    ├── LedgerError (OSError)               a file of ours cannot be read or written, or is in use      exit 1
    ├── ModelError (RuntimeError)           a model did not answer one request
    │   ├── RateLimitedError                ask again later; never fatal
    │   ├── TransientError                  5xx, time-out, reset, malformed reply: worth a retry
    │   ├── RequestRefusedError             this request can never work: costs exactly its own prompt
    │   └── ModelUnavailableError           no request can ever work (key, name, address): ends the run  exit 1
    └── RunStoppedError (RuntimeError)      the run ends early: budget, interrupt, too many failures

Every class is picklable, and every message says what, where and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_TOO_MANY_FAILURES = 3
EXIT_INTERRUPTED = 130


class ConstitutionalError(Exception):
    """Root of the tree: the command line prints the message and exits with ``exit_code``."""

    exit_code = EXIT_FAILURE


class UsageError(ConstitutionalError, ValueError):
    exit_code = EXIT_USAGE


class ConfigError(UsageError):
    pass


class TemplateError(UsageError):
    pass


class PromptFileError(UsageError):
    pass


class UnknownNameError(ConstitutionalError, LookupError):
    exit_code = EXIT_USAGE

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
        """``no judge named 'pairwise-logprop'; did you mean 'pairwise-logprob'?``"""
        return cls(f"no {kind} named {name!r}{near_matches(name, known)}{hint and f' ({hint})'}")


class MissingExtraError(ConstitutionalError, ImportError):
    @classmethod
    def naming(cls, package: str, extra: str) -> MissingExtraError:
        return cls(f"{package} is not installed: pip install 'constitutional[{extra}]'")


class PluginError(ConstitutionalError, RuntimeError):
    pass


class LedgerError(ConstitutionalError, OSError):
    pass


class ModelError(ConstitutionalError, RuntimeError):
    """``reason`` is the short word under which a reject is counted."""

    reason = "model_error"

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message, reason)
        self.message = message
        if reason is not None:
            self.reason = reason

    def __str__(self) -> str:
        return self.message


class RateLimitedError(ModelError):
    reason = "rate_limited"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        ModelError.__init__(self, message)
        self.args = (message, retry_after)
        self.retry_after = retry_after


class TransientError(ModelError, ConnectionError):
    """``retry_after`` is honoured when the server gave one (503, 529)."""

    def __init__(self, message: str, reason: str | None = None, retry_after: float | None = None) -> None:
        ModelError.__init__(self, message, reason)
        self.args = (message, reason, retry_after)
        self.retry_after = retry_after


class RequestRefusedError(ModelError, ValueError):
    reason = "request_refused"


class ModelUnavailableError(ModelError):
    reason = "model_unavailable"


class RunStoppedError(ConstitutionalError, RuntimeError):
    """Raised inside a prompt's coroutine when the run ends before it: the prompt is simply left for the next run."""


def first_line(error: BaseException) -> str:
    """Of what another library says at length; its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def blame(error: Exception) -> str:
    """What a reject says of an exception in a plugin: a ``PluginError`` names whose it is, any other at least its class."""
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def near_matches(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something is close, else ``; known: a, b, c``."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(match) for match in close) + "?"
    return f"; known: {', '.join(names)}" if names else ""
