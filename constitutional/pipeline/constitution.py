"""A constitution by its name: one that ships, a file, or one that a plugin offers."""

from __future__ import annotations

import functools
from pathlib import Path

from constitutional.config.constitution import Provided, find_constitution, load_constitution
from constitutional.core.constitution import Constitution
from constitutional.errors import ConstitutionalError, PluginError
from constitutional.plugins import PluginHost


def read_constitution(name: str, base: Path, host: PluginHost) -> Constitution:
    """With all that it extends."""
    offered = provided(host)
    return load_constitution(find_constitution(name, base, offered), offered)


def provided(host: PluginHost) -> Provided:
    """The constitutions that plugins offer; a plugin is asked only for what is named."""

    def path(name: str) -> Path:
        registered = host.get("constitution", name)
        try:
            return Path(registered.factory())
        except ConstitutionalError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"constitution {name!r} of {registered.distribution} cannot be made: {reason}") from error

    return {name: functools.partial(path, name) for name in host.names("constitution")}
