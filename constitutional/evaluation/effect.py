"""What an evaluation found, on the card of the model that was trained: a section for readers, and figures as the Hub reads
them. The same evaluation again writes the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from constitutional.dataset.manifest import CARD
from constitutional.dataset.markdown import bullets, quoted, table
from constitutional.errors import ConstitutionalError, UsageError
from constitutional.evaluation.compare import CONTROLLED, EVEN, WIN
from constitutional.evaluation.contamination import RECORD
from constitutional.evaluation.contenders import BASE, split_name
from constitutional.evaluation.result import Comparison, Evaluation
from constitutional.evaluation.settings import EvaluateSettings, Named
from constitutional.saying import Say, silent
from constitutional.whole import write_whole, writing

BEGIN = "<!-- effect: what `constitutional evaluate` found; it writes this anew -->"
END = "<!-- end of effect -->"
BEFORE = "## Data"
HEAD = ("measure", "before", "after", "change", "95 % interval", "p", "verdict")
ORDER = ("improved", "worse", "higher", "lower", "indistinguishable")


def write_cards(found: Evaluation, settings: EvaluateSettings, say: Say = silent) -> list[Path]:
    """The cards that now have it: of every model but the base whose folder a training made. What was measured stands, also
    where one cannot be written: ``say`` is told why."""
    if found.status != "complete":
        return []
    given = [settings.tuned, *(_model(more) for more in settings.more)]
    written = []
    for model, named in zip(found.models[1:], given, strict=True):
        folder = _folder(named, settings.where)
        if folder is None:
            continue
        try:
            written.append(write_card(found, model["name"], folder / CARD))
        except ConstitutionalError as error:
            say(f"warning: the card was left as it is: {error}")
    return written


def write_card(found: Evaluation, name: str, path: Path) -> Path:
    data, body = _parts(path)
    data["model-index"] = [{"name": _title(body) or path.resolve().parent.name, "results": [_result(found, name)]}]
    head = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    with writing(path):
        write_whole(path, f"---\n{head}---\n{_placed(body, _section(found, name))}")
    return path


def _model(given: Named | tuple[str | None, Named]) -> Named:
    if isinstance(given, tuple):
        return given[1]
    return split_name(given)[1] if isinstance(given, str) else given


def _folder(named: Named, where: Path) -> Path | None:
    """With the card of a training; None where there is none."""
    name = named if isinstance(named, str) else named.name
    for text in (name, name.partition(":")[2]):
        folder = (where / text).expanduser() if text else where
        if text and (folder / CARD).is_file() and (folder / RECORD).is_file():
            return folder
    return None


def _parts(path: Path) -> tuple[dict[str, Any], str]:
    """Its metadata and the text below."""
    text = path.read_text("utf-8")
    head, mark, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not mark:
        return {}, f"\n{text}"
    try:
        data = yaml.safe_load(head) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: its metadata cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path}: its metadata is no mapping of keys: mend it between the two lines of ---")
    return data, body


def _title(body: str) -> str:
    found = re.search(r"^# (.+)$", body, re.MULTILINE)
    return found[1].strip() if found else ""


def _placed(body: str, section: str) -> str:
    """In place of the one before; else where the account of the training begins."""
    marked = f"{BEGIN}\n{section}\n{END}"
    first, begin, rest = body.partition(BEGIN)
    _, end, last = rest.partition(END)
    if begin and end:
        return f"{first}{marked}{last}"
    first, found, last = body.partition(f"\n{BEFORE}\n")
    return f"{first}\n{marked}\n{found}{last}" if found else f"{body.rstrip()}\n\n{marked}\n"


def _section(found: Evaluation, name: str) -> str:
    models: Mapping[str, str] = {model["name"]: quoted(str(model["model"])) for model in found.models}
    rules = found.constitution
    text = (
        f"## Effect\n\n`{models[name]}` against `{models[BASE]}`, on {found.prompts:,} held-out prompts, by the "
        f"constitution `{quoted(str(rules['name']))}` {rules['version']}{_asked(found)}."
    )
    rows = table(HEAD, (_row(found, one) for one in _whole(found, name)))
    tests = "p is of a paired test over prompts, corrected for how many measures there are (Holm)."
    warnings = f"\n\n{bullets(found.warnings)}" if found.warnings else ""
    return f"{text}\n\n{rows}\n\n{tests}{warnings}"


def _asked(found: Evaluation) -> str:
    parts = [
        f"{role}: `{quoted(str(part['plugin']))}`" + (f" (`{quoted(str(part['model']))}`)" if part["model"] else "")
        for role, part in (("critic", found.critic), ("judge", found.judge))
    ]
    return f"; {', '.join(parts)}"


def _whole(found: Evaluation, name: str) -> Iterator[Comparison]:
    """Of whole measures, not of one tier, principle or tag: what moved first."""
    own = [one for one in found.comparisons if one.model == name and one.against == BASE and "/" not in one.measure]
    for verdict in ORDER:
        yield from (one for one in own if one.verdict == verdict)


def _row(found: Evaluation, one: Comparison) -> tuple[str, ...]:
    after = found.measure(one.model, one.measure)
    return (
        f"`{one.measure}`", _figure(_before(found, one.measure)), _figure(None if after is None else after.value),
        f"{one.difference:+.3f}", f"{one.low:+.3f} to {one.high:+.3f}",
        "<0.001" if one.p_adjusted < 0.001 else f"{one.p_adjusted:.3f}", one.verdict,
    )  # fmt: skip


def _before(found: Evaluation, measure: str) -> float | None:
    """Of a win rate: where both are as good."""
    if measure in (WIN, CONTROLLED):
        return EVEN
    base = found.measure(BASE, measure)
    return None if base is None else base.value


def _result(found: Evaluation, name: str) -> dict[str, Any]:
    """As the Hub's `model-index` has it."""
    rules = found.constitution
    metrics = []
    for one in _whole(found, name):
        after, before = found.measure(name, one.measure), _before(found, one.measure)
        if after is not None:
            words = f"{one.measure} ({_figure(before)} before, {one.verdict})"
            metrics.append({"type": one.measure, "value": round(after.value, 4), "name": words})
    dataset = {"name": f"{found.prompts:,} held-out prompts, {rules['name']} {rules['version']}", "type": "held-out"}
    return {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": metrics}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
