"""``--beta sweep``: short trainings, one per β, and the one that parts the answers furthest without leaving the reference.

Compared is the held-out margin in nats, log-ratio of chosen less that of rejected: the reward margin is β times it, and β
is what differs. Each short training's figures are kept, under a digest of all that decides them, beside the data: the
same command again, or another one that sweeps the same, runs none twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from constitutional.core.digest import digest
from constitutional.errors import RunStoppedError
from constitutional.plots.charts import Series, scatter
from constitutional.plots.page import svg_file
from constitutional.training.folder import StageFolder, write_json
from constitutional.training.guards.watch import ended_by_guard
from constitutional.training.processes import is_first, wait_for_all
from constitutional.training.schedule import Schedule
from constitutional.training.settings import TrainSettings
from constitutional.training.stages import Outcome, Work, run_stage

GRIDS = {
    "dpo": (0.5, 0.3, 0.1, 0.05),
    "hybrid": (0.5, 0.3, 0.1, 0.05),
    "ipo": (1.0, 0.5, 0.1, 0.01),
}
"""IPO's margin is per token and its target 1/2β: at 0.05 it would be ten nats a token."""
FIGURE = "beta-sweep.svg"


@dataclass(frozen=True, slots=True)
class Tried:
    """One β, on the held-out rows after its short training. ``kl`` is None where nobody could measure it."""

    beta: float
    margin: float
    accuracy: float
    loss: float
    kl: float | None
    steps: int


@dataclass(frozen=True, slots=True)
class Choice:
    beta: float
    why: str
    table: dict[str, Any]


def sweep(work: Work, version: str) -> Choice | None:
    """The choice; None where Ctrl-C came between. ``version`` names the weights that the stage starts from."""
    tried = []
    for beta in GRIDS[work.settings.loss]:
        found = _kept(work, short(work, beta), version)
        if found is None:
            return None
        tried.append(found)
    picked, why = pick(tried, work.settings.sweep_kl)
    work.say(why)
    if is_first():
        (work.folder.path / FIGURE).write_text(plot(tried, picked), encoding="utf-8")
    return Choice(picked.beta, why, table(tried, picked))


def pick(tried: Sequence[Tried], most: float) -> tuple[Tried, str]:
    """The largest margin among those whose KL is below ``most``; of none, the one that strayed least."""
    near = [one for one in tried if one.kl is not None and one.kl < most]
    if near:
        best = max(near, key=lambda one: one.margin)
        among = f"largest held-out margin ({best.margin:.2f} nats) with KL below {most:g} (it is {best.kl:.2f})"
        return best, f"--beta sweep took {best.beta:g}: {among}, of {len(near)} out of {len(tried)}"
    known = [one for one in tried if one.kl is not None]
    if not known:
        raise RunStoppedError("--beta sweep: no KL could be measured: it takes --samples above 0, and whole weights")
    best = min(known, key=lambda one: one.kl or 0.0)
    return best, f"--beta sweep took {best.beta:g}: none has KL below {most:g}, and its {best.kl:.1f} is the least"


def table(tried: Sequence[Tried], picked: Tried) -> dict[str, Any]:
    """For the model card."""
    rows = [
        [
            f"{one.beta:g}", f"{one.margin:.3f}", "not measured" if one.kl is None else f"{one.kl:.3f}",
            f"{one.accuracy:.3f}", f"{one.loss:.4g}", f"{one.steps:,}", "taken" if one is picked else "",
        ]
        for one in tried
    ]  # fmt: skip
    head = ["beta", "held-out margin, nats", "KL, nats", "held-out accuracy", "held-out loss", "steps", ""]
    return {"title": "Sweep over beta", "head": head, "rows": rows, "figure": FIGURE}


def plot(tried: Sequence[Tried], picked: Tried) -> str:
    series = [
        Series(f"β = {one.beta:g}{' (taken)' if one is picked else ''}", [(one.kl, one.margin)])
        for one in tried
        if one.kl is not None
    ]
    return svg_file(scatter("Sweep over beta", series, x_title="KL to the reference, nats", y_title="margin, nats"))


def short(work: Work, beta: float) -> TrainSettings:
    """The same training with this β, cut short: one look at its end, and nothing reported anywhere."""
    settings, pairs = work.settings, work.data.preferences
    whole = Schedule.of(settings, len(pairs.train), len(pairs.held_out), settings.epochs).steps
    steps = min(whole, settings.sweep_steps)
    own = settings.ipo_beta if settings.loss == "hybrid" and settings.ipo_beta is not None else beta
    return settings.but(
        sweep=False,
        beta=beta,
        ipo_beta=own,
        max_steps=steps,
        eval_every=steps,
        save_every=steps,
        patience=0,
        report_to=(),
    )


def _kept(work: Work, settings: TrainSettings, version: str) -> Tried | None:
    """What a short training found: from the cache, else from training it."""
    plan = {name: value for name, value in settings.plan().items() if name not in ("source", "model")}
    file = work.cache / "sweep" / f"{digest([plan, version, work.data.digest()])}.json"
    wait_for_all()
    if not file.is_file():
        outcome = _run(work, settings)
        if outcome is None:
            return None
        if is_first():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, asdict(_figures(settings, outcome)))
        wait_for_all()
    return Tried(**json.loads(file.read_text("utf-8")))


def _run(work: Work, settings: TrainSettings) -> Outcome | None:
    place = StageFolder(work.folder.path / f"beta-{settings.beta:g}")
    place.path.mkdir(parents=True, exist_ok=True)
    work.say(f"sweep, beta {settings.beta:g}:")
    outcome = run_stage(replace(work, settings=settings, folder=place))
    if work.stop.interrupted and outcome.stopped:
        work.say(f"interrupted in the sweep, at beta {settings.beta:g}: run the same command again to go on from there")
        return None
    if ended_by_guard(work.stop.because):
        work.stop.because = ""  # this beta is too much; another one may not be
    if is_first():
        _remove(place.path)
    return outcome


def _remove(folder: Path) -> None:
    """A short training leaves its figures and no model."""
    shutil.rmtree(folder, ignore_errors=True)


def _figures(settings: TrainSettings, outcome: Outcome) -> Tried:
    after = outcome.after
    return Tried(
        beta=settings.beta or 0.0,
        margin=after["logratios/chosen"] - after["logratios/rejected"],
        accuracy=after["rewards/accuracies"],
        loss=after["loss"],
        kl=after.get("kl"),
        steps=outcome.steps,
    )
