"""``constitutional report``"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="RUN|EVAL|TRAINED...", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page [report.html in the first folder].")
@click.option("--png", metavar="DIR", type=click.Path(path_type=Path), help="Write every plot as a PNG file too.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of every plot as JSON; write no page.")
def command(folders: tuple[Path, ...], out: Path | None, png: Path | None, as_json: bool) -> None:
    """Write one page with plots of a run, a training or an evaluation, or of several of them together.

    The page is one file that opens offline and prints: what became of the prompts, the labels, revision, the judge, cost
    and speed; training curves; measures before and after with their intervals. Each plot has its numbers with it.
    """
    import time

    from constitutional import __version__
    from constitutional.errors import UsageError
    from constitutional.report.build import beside, parts_of
    from constitutional.report.figures import as_json as numbers
    from constitutional.report.page import report_page

    path = out or beside(folders[0])
    if not as_json and path.is_dir():
        raise UsageError(f"--out {path}: is a folder: name an .html file")
    parts = parts_of(folders)
    if as_json:
        click.echo(json.dumps(numbers(parts), indent=2, ensure_ascii=False))
    else:
        _write(path, report_page(parts, version=__version__, when=time.strftime("%Y-%m-%d %H:%M")))
        click.echo(f"report: {path}")
    if png is not None:
        from constitutional.report.png import write_pngs

        count = len(write_pngs(parts, png))
        click.echo(f"plots: {count} in {png}", err=as_json)


def _write(path: Path, text: str) -> None:
    from constitutional.whole import write_whole, writing

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, "backslashreplace")
