"""``constitutional view``"""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view")
@click.argument("runs", nargs=-1, metavar="[RUN]...", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help="The port [8642, or the next that is free]; 0: any.")
@click.option("--annotator", metavar="NAME", help="Who labels [your user name].")
@click.option("--no-browser", is_flag=True, help="Print the address; open no browser.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def command(runs: tuple[Path, ...], port: int | None, annotator: str | None, no_browser: bool, as_json: bool) -> None:
    """Read, search, compare and label the pairs of RUN in the browser, also while it is being made.

    Without RUN, every run in `runs/`. The page is for this machine alone (127.0.0.1, with a token in its address) and asks
    nothing of any other. Labels go to RUN/labels.db: `constitutional audit RUN --labels RUN/labels.db` reads them, and the
    dataset has them as `human_label` when the run is written again.
    """
    import json
    import webbrowser

    from constitutional.errors import UsageError
    from constitutional.ledger import RunFolder
    from constitutional.ledger.missing import no_run
    from constitutional.view.serve import runs_here, serve

    found = list(runs) or runs_here(Path("runs"))
    if not found:
        raise UsageError("there is no run in runs/: name one, or make one with `constitutional generate`")
    for path in found:
        if not RunFolder(path).started:
            raise no_run(path)
    if annotator is not None and not annotator.strip():
        raise UsageError("--annotator: is empty: give a name, it stands beside each label")

    def ready(address: str) -> None:
        click.echo(json.dumps({"address": address}) if as_json else address)
        if not no_browser and not as_json:
            click.echo("Ctrl-C ends it", err=True)
            webbrowser.open(address)

    serve(found, port=port, annotator=annotator, ready=ready)
