"""What the commands do, from Python: ``generate`` here, ``train`` and ``evaluate`` where they are at home.

Each is a plain function that returns when the work is done, in a script, a thread or a notebook alike, prints nothing, and
raises a ``ConstitutionalError`` where the command would end with ``error:``. The folder is the run, whoever made it: the
commands go on with what was begun here, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.cli.generate import carry_out
from constitutional.config.run import RunConfig, read_run
from constitutional.config.source import Source
from constitutional.errors import ConfigError
from constitutional.ledger import RunFolder
from constitutional.pipeline.prompts import check_prompts
from constitutional.pipeline.setup import check
from constitutional.plugins import PluginHost
from constitutional.roles import RunResult
from constitutional.whole import write_whole, writing

PROMPTS = "prompts.jsonl"
"""Where prompts that were given as data are kept, in the run folder."""
Run = str | Path | Mapping[str, Any]
"""A run file, the folder of a run, or the keys of a run file; ``prompts`` may be a list there."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A session of a run that has ended. ``result.status`` says how: ``complete``, ``budget``, ``interrupted`` or
    ``too-many-failures``. The same call again goes on."""

    folder: Path
    result: RunResult
    warnings: tuple[str, ...] = ()
    """What is odd in the settings or, as the watch finds, in the labels."""

    @property
    def dataset(self) -> Path:
        """The dataset's folder: ``datasets.load_from_disk(str(made.dataset / "preference"))``."""
        return self.folder / "dataset"


def generate(
    run: Run,
    *,
    prompts: Sequence[str | Mapping[str, Any]] | None = None,
    fresh: bool = False,
    accept_changes: bool = False,
) -> Generated:
    """``constitutional generate``. Relative paths among keys start from the working folder, those of a run file from its
    own. ``prompts`` are texts, or rows as in a prompt file, and go before what the run names. Unlike the command, nothing
    stands in for a model that nobody named."""
    if isinstance(run, Mapping) and isinstance(run.get("prompts"), list | tuple) and prompts is None:
        prompts, run = run["prompts"], {key: value for key, value in run.items() if key != "prompts"}
    config, base, path = _read(run)
    folder = RunFolder(path).fresh() if fresh else RunFolder(path)
    rows = None if prompts is None else _rows(prompts)
    if rows is not None:
        config = config.model_copy(update={"prompts": str((folder.path / PROMPTS).absolute())})
    if config.prompts is None:
        raise ConfigError("no prompts: name a file under `prompts`, or give them as the argument `prompts`")
    if "policy" not in config.models:
        raise ConfigError(
            "models.policy: name the model that answers, for example vllm:Qwen/Qwen3-4B-Instruct-2507; scripted:demo plays "
            "one where there is none"
        )
    assembly = check(config, host := PluginHost(), base)
    if rows is None:
        check_prompts(config.prompts, base)
    else:
        folder.create()
        with writing(folder.path / PROMPTS):
            write_whole(folder.path / PROMPTS, rows)
    carried = carry_out(config, base, folder, host, assembly.run_filters, accept_changes)
    return Generated(folder.path, carried.ended.result, tuple(carried.warnings))


def _read(run: Run) -> tuple[RunConfig, Path, Path]:
    """The settings, where their paths start, and the run folder."""
    if isinstance(run, Mapping):
        found, problems = Source("", _plain(run), {}).check(RunConfig)
        if found is None:
            raise ConfigError("\n".join(f"{'.'.join(map(str, key))}: {text}" for key, text in problems))
        out = Path(found.out or f"runs/{Path(found.constitution).stem}")
        return found, Path.cwd(), out
    path = Path(run).expanduser()
    path = path / "config.yaml" if path.is_dir() else path
    config, base = read_run(path), path.resolve().parent
    return config, base, Path("runs", path.stem) if config.out is None else base / config.out


def _rows(prompts: Sequence[str | Mapping[str, Any]]) -> str:
    """As a prompt file."""
    if not prompts:
        raise ConfigError("prompts: the list is empty")
    lines = []
    for number, row in enumerate([prompts] if isinstance(prompts, str) else prompts):
        try:
            lines.append(json.dumps({"prompt": row} if isinstance(row, str) else dict(row), ensure_ascii=False) + "\n")
        except (TypeError, ValueError) as error:
            raise ConfigError(f"prompts[{number}]: a text, or a row of plain values, not {row!r}") from error
    return "".join(lines)


def _plain(value: Any) -> Any:
    """With paths as texts."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
