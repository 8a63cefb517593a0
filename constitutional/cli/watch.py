"""``constitutional watch``"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("watch")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: Path, as_json: bool) -> None:
    """Look for reward hacking and collapse in a run's labels: spread, length, variety, refusals, boilerplate.

    The thresholds of the warnings are those of `watch` in the run file; no model is asked. Labels of people that
    `constitutional audit RUN` has read take part.
    """
    from constitutional.core.plain import one_line
    from constitutional.core.watch import Watch, warnings
    from constitutional.ledger.labels import human_labels
    from constitutional.pipeline.opened import open_run

    with open_run(run) as opened:
        watch = Watch(human_labels(opened.view))
        for trace in opened.traces():
            watch.add(trace)
        limits = opened.config.watch
    findings = watch.findings(limits)
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings], indent=2, ensure_ascii=False))
        return
    for finding in findings:
        value = "–" if finding.value is None else f"{finding.value:.3f}"
        click.echo(
            f"{'!' if finding.warning else ' '} {finding.name:<30} {value:>7}  n = {finding.n:<7,} {one_line(finding.words)}"
        )
    for warning in warnings(findings):
        click.echo(f"warning: {one_line(warning)}")
    if watch.compared < limits.min_pairs:
        click.echo(f"{watch.compared} comparisons: fewer than {limits.min_pairs} warn of nothing (watch.min_pairs)")
