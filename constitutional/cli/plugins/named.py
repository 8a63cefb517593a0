"""Finding what a name on the command line means: a thing of one kind or of several, or a distribution."""

from __future__ import annotations

from typing import Any

import yaml

from constitutional.errors import ConfigError, PluginError, UnknownNameError
from constitutional.plugins import KINDS, PluginHost, Registered


def named(host: PluginHost, name: str, kind: str | None) -> list[Registered]:
    """Everything of this name, in the order of the kinds; else everything that a distribution of this name offers."""
    kinds = [kind] if kind else list(KINDS)
    found, problems = [], []
    for one in kinds:
        try:
            found.append(host.get(one, name))
        except PluginError as error:
            problems.append(str(error))
        except UnknownNameError:
            continue
    if problems:
        raise PluginError("\n".join(problems))
    if not found:
        found = [item for item in host.registered() if item.distribution == name and item.kind in kinds]
    if not found:
        known = {item.name for item in host.registered() if kind in (None, item.kind)}
        failed = [f"{plugin.distribution} ({plugin.error})" for plugin in host.plugins if plugin.error]
        hint = f"plugins that failed: {'; '.join(failed)}" if failed else ""
        raise UnknownNameError.among(kind or "plugin", name, known, hint)
    return found


def options_from(text: str | None) -> dict[str, Any]:
    """``--options`` as YAML, of which JSON is a part."""
    if text is None:
        return {}
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--options {text}: no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"--options {text}: expected names and values, such as '{{threshold: 0.7}}'")
    return value
