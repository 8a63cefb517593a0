"""The pages in a real browser: a reader filters, opens, labels, comes back and finds it; hostile answers run nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.runs import Run, run
from tests.support.viewer import Viewing, chromium, viewing
from tests.view.conftest import HOSTILE, TIERS, prompts

EXECUTABLE = chromium()
pytestmark = [
    pytest.mark.skipif(
        EXECUTABLE is None, reason="no Chromium: apt-get install chromium, or CONSTITUTIONAL_CHROMIUM=PATH"
    ),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page; nothing on it may complain, and nothing may be asked of anybody else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if "//127.0.0.1:" in asked.url else problems.append(asked.url))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def copied(done: tuple[Path, Run], tmp_path: Path) -> Iterator[tuple[Path, Viewing]]:
    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    with viewing(folder) as viewer:
        yield folder, viewer


def test_a_reader_filters_opens_labels_and_finds_it_again(tab: Any, copied: tuple[Path, Viewing]) -> None:
    _, viewer = copied
    tab.goto(viewer.address)
    every = tab.locator(".row").count()
    tab.select_option("[name=tier]", "kind")
    tab.wait_for_url("**tier=kind**")
    assert 0 < tab.locator(".row").count() < every
    tab.fill("[name=q]", "question 13")
    tab.press("[name=q]", "Enter")
    tab.wait_for_url("**q=question**")
    assert tab.locator(".row").count() == 1
    tab.locator("body").press("j")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/trace?**")
    assert tab.locator("article.chosen").inner_text().startswith("CHOSEN")
    assert tab.locator(".step del").first.inner_text().strip() == "rude"
    tab.fill("#note", "too long")
    tab.keyboard.press("Escape")
    tab.keyboard.press("f")
    tab.wait_for_selector("#saved[data-verdict=flip]")
    tab.reload()
    assert tab.locator("#saved").inner_text() == "me: flip"
    assert tab.input_value("#note") == "too long"
    assert tab.locator("[data-verdict=flip]").first.get_attribute("aria-pressed") == "true"
    tab.keyboard.press("u")
    tab.wait_for_selector(".chip.said.flip")
    assert tab.locator(".row").count() == 1


def test_labelling_blind_goes_from_pair_to_pair(tab: Any, copied: tuple[Path, Viewing]) -> None:
    _, viewer = copied
    tab.goto(f"{viewer.address}0/?blind=1&tier=style")
    count = tab.locator(".row").count()
    tab.locator(".row .open").first.click()
    for _ in range(count):
        tab.wait_for_selector("#label")
        before = tab.url
        assert "chosen" not in tab.locator("main").inner_text().lower()
        tab.keyboard.press("a")
        tab.wait_for_url(lambda url, before=before: url != before)
    tab.goto(f"{viewer.address}0/?label=yes")
    assert tab.locator(".row").count() == count


def test_it_follows_a_run_that_goes_on(tab: Any, tmp_path: Path) -> None:
    """The run is made in a thread of its own: this one has the browser's event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(run, tmp_path, prompts()[:6], *TIERS).result()
    with viewing(tmp_path / "run") as viewer:
        tab.goto(f"{viewer.address}0/?order=newest")
        before = tab.locator(".row").count()
        with ThreadPoolExecutor(1) as thread:
            thread.submit(run, tmp_path, prompts()[:30], *TIERS).result()
        tab.locator(".row").nth(before).wait_for(timeout=60_000)
        tab.goto(f"{viewer.address}0/")
        pairs = tab.evaluate("fetch('live').then((answer) => answer.json()).then((now) => now.pairs)")
        assert tab.locator(".found").inner_text().startswith(f"{pairs} pairs")


def test_hostile_answers_run_nothing_and_break_nothing(tab: Any, page: Viewing, done: tuple[Path, Run]) -> None:
    hostile = next(trace for trace in done[1].traces if trace.prompt.messages[-1].content == HOSTILE)
    huge = next(trace for trace in done[1].traces if len(trace.prompt.messages[-1].content) > 10**6)
    one, other = (f"0/trace?prompt={trace.prompt.id}&n=0" for trace in (hostile, huge))
    side = f"compare/one?prompt={hostile.prompt.id}"
    for path in ("0/?q=pwned", "0/", one, f"{one}&blind=1", other, "compare", side):
        for width in (1280, 390):
            tab.set_viewport_size({"width": width, "height": 844})
            tab.goto(page.address + path)
            assert tab.evaluate("window.pwned") is None
            assert tab.locator("img").count() == 0
            assert tab.locator("script").count() == 1
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_policy_forbids_what_escaping_would_let_through(browser: Any, page: Viewing) -> None:
    """As if escaping had failed: markup put into the page itself runs nothing."""
    tab = browser.new_page()
    tab.goto(page.address + "0/")
    tab.evaluate("document.querySelector('main').innerHTML += '<img src=x onerror=\"window.pwned=1\">'")
    tab.evaluate(
        "(() => { const made = document.createElement('script'); made.textContent = 'window.pwned=1';"
        " document.body.append(made); })()"
    )
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.pwned") is None
    tab.close()


def test_the_report_is_whole_offline_at_every_width(browser: Any, done: tuple[Path, Run], tmp_path: Path) -> None:
    from constitutional.report.build import parts_of
    from constitutional.report.page import report_page

    path = tmp_path / "report.html"
    path.write_text(report_page(parts_of([done[0]]), version="1", when="now"), encoding="utf-8")
    context = browser.new_context(offline=True)
    tab = context.new_page()
    for width in (1280, 390):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator("figure svg").count() > 8
        assert tab.locator("figure table").count() >= tab.locator("figure svg").count()
    context.close()
