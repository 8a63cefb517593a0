"""``constitutional plugins show``"""

from __future__ import annotations

import inspect
import json
import textwrap
from typing import Any

import click
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from constitutional.cli.plugins.list import as_data
from constitutional.cli.plugins.named import named
from constitutional.plugins import KINDS, PluginHost, Registered

WIDTH = 100


@click.command("show")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Where several kinds have this name.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, kind: str | None, as_json: bool) -> None:
    """What a plugin does, its options, and how a run file names it. NAME may be that of a distribution, too."""
    found = named(PluginHost(), name, kind)
    if as_json:
        shown = [as_data(item) | {"doc": doc_of(item), "example": example_of(item)} for item in found]
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    click.echo("\n\n".join(_text(item) for item in found))


def _text(item: Registered) -> str:
    parts = [f"{item.kind} {item.name}  ({item.distribution} {item.version})"]
    if doc := doc_of(item):
        parts.append(textwrap.indent(doc, "  "))
    parts.append(_options(item.config) if item.config else "  It takes no options.")
    parts.append("  In a run file:\n" + textwrap.indent(example_of(item).rstrip(), "    "))
    return "\n\n".join(parts)


def doc_of(item: Registered) -> str:
    """What the factory says of itself; a class that says nothing is not spoken for by its base."""
    own = getattr(item.factory, "__doc__", None)
    return inspect.cleandoc(own) if own else ""


def _options(config: type[BaseModel]) -> str:
    lines = ["  Options:"]
    for name, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "required" if default is PydanticUndefined else f"default {_yaml(default)}"
        about = f"{name} ({shown})" + (f": {field.description}" if field.description else "")
        lines.append(textwrap.fill(about, WIDTH, initial_indent="    ", subsequent_indent="      "))
    return "\n".join(lines)


def _yaml(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, tuple):
        value = list(value)
    return yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True).split("\n")[0]


def example_of(item: Registered) -> str:
    """Its use in a run file, with the options that have no default made up."""
    options = sample(item.config.model_json_schema()) if item.config else {}
    use: Any = {"plugin": item.name} | ({"options": options} if options else {})
    value: dict[str, Any]
    if item.kind == "model":
        value = {"models": {"policy": {"name": f"{item.name}:MODEL"} | ({"options": options} if options else {})}}
    elif item.kind == "constitution":
        value = {"constitution": item.name}
    elif item.kind == "filter":
        value = {"filters": [use if options else item.name]}
    else:
        value = {"strategy" if item.kind == "pairing" else item.kind: use if options else item.name}
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def sample(schema: dict[str, Any]) -> Any:
    """The smallest value that a JSON Schema takes, of what plugins use of it."""
    return _sample(schema, schema.get("$defs", {}), "VALUE")


def _sample(schema: dict[str, Any], known: dict[str, Any], name: str) -> Any:
    if "$ref" in schema:
        return _sample(known[schema["$ref"].rpartition("/")[2]], known, name)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema or "examples" in schema:
        return (schema.get("enum") or schema["examples"])[0]
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            return _sample(schema[key][0], known, name)
    kind = schema.get("type")
    if kind == "object":
        return {
            field: _sample(schema["properties"][field], known, field.upper()) for field in schema.get("required", [])
        }
    if kind == "array":
        return [_sample(schema.get("items", {}), known, name) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + (1 if "exclusiveMinimum" in schema else 0))
        return min(least, schema["maximum"]) if "maximum" in schema else least
    return {"boolean": False, "null": None}.get(str(kind), name)
