"""Takes the pictures in docs/images of a real run: ``python -m docs.make_screenshots -- --limit 50`` (it needs Chromium).

Two runs are made of the model that ships, with two strategies; some pairs are labelled, and what `constitutional report` and
`constitutional view` show of them is photographed: light, dark and as wide as a phone."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import run
from constitutional.core.records import Trace
from constitutional.pipeline.opened import open_run
from tests.support.viewer import Viewing, chromium, viewing

IMAGES = Path(__file__).parent / "images"
LARGEST = 200_000
"""Bytes of a picture."""
COLOURS = 128
DESKTOP, PHONE = (1280, 860), (390, 844)


def make_runs(folder: Path, *more: str) -> tuple[Path, Path]:
    first, second = folder / "revised", folder / "sampled"
    command = [sys.executable, "-m", "constitutional", "generate", "--quiet", *more]
    run([*command, "--out", str(first)])
    run([*command, "--out", str(second), "--strategy", "best-vs-worst", "--responses", "3"])
    return first, second


class Camera:
    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def take(self, name: str, address: str, *, dark: bool = False, phone: bool = False, tall: int = 0) -> None:
        from PIL import Image

        width, height = PHONE if phone else DESKTOP
        page = self._browser.new_page(
            viewport={"width": width, "height": tall or height}, color_scheme="dark" if dark else "light",
            device_scale_factor=2 if phone else 1,
        )  # fmt: skip
        page.goto(address)
        page.wait_for_load_state("networkidle")
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        page.close()
        path = IMAGES / f"{name}.png"
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        size = path.stat().st_size
        print(f"{path.name}: {size:,} bytes", file=sys.stderr)
        if size > LARGEST:
            raise SystemExit(f"{path} has {size:,} bytes, more than {LARGEST:,}")


def photograph(camera: Camera, viewer: Viewing, report: Path, run_folder: Path) -> None:
    with open_run(run_folder) as opened:
        paired = [trace for trace in opened.traces() if trace.pairs]
        best = max(paired, key=_telling)
    trace = f"0/trace?prompt={best.prompt.id}&n=0"
    for other in [one for one in paired if one is not best][:3]:
        viewer.post("0/label", {"prompt": other.prompt.id, "n": 0, "verdict": "agree", "note": ""})
    camera.take("report", report.as_uri())
    camera.take("report-dark", report.as_uri() + "#p0-1", dark=True)
    camera.take("report-phone", report.as_uri(), phone=True)
    camera.take("view-list", viewer.address + "0/")
    camera.take("view-trace", viewer.address + trace, tall=1150)
    camera.take("view-dark", viewer.address + trace, dark=True)
    camera.take("view-phone", viewer.address + "0/", phone=True)
    camera.take("view-blind", viewer.address + trace + "&blind=1", tall=620)
    camera.take("view-compare", viewer.address + "compare?a=0&b=1")


def _telling(trace: Trace) -> tuple[bool, bool, bool, float]:
    """One pair, with a conflict between tiers or a veto, of an answer that was revised."""
    pair = trace.pairs[0]
    revised = pair.chosen.round > 0 or pair.rejected.round > 0
    return (
        len(trace.pairs) == 1,
        revised,
        bool(pair.ruling.conflicts) or bool(pair.ruling.vetoed_by),
        -len(trace.responses),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generate", nargs="*", help="options for `constitutional generate`, after --")
    parser.add_argument("--folder", type=Path, help="make the runs there, and go on with those that are there")
    options = parser.parse_args()
    executable = chromium()
    if executable is None:
        raise SystemExit("no Chromium: apt-get install chromium, or name one in CONSTITUTIONAL_CHROMIUM")
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        first, second = make_runs(options.folder or Path(name), *options.generate)
        report = Path(name, "report.html")
        run([sys.executable, "-m", "constitutional", "report", str(first), "--out", str(report)])
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        with viewing(first, second) as viewer:
            photograph(Camera(browser), viewer, report, first)
        browser.close()


if __name__ == "__main__":
    main()
