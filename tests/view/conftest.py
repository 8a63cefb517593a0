from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.runs import Run, World, run, tier
from tests.support.viewer import Viewing, viewing

TIERS = (tier("safe", "hard", "bad"), tier("kind", "strong", "rude"), tier("style", "soft", "long"))
HOSTILE = (
    'bad {{ 7 * 7 }} <script>window.pwned = 1</script><img src="x" onerror="window.pwned = 1"> </textarea></div> '
    '"onmouseover="window.pwned=1" \x1b[31m \u202eturned\u202c nul\x00 javascript:window.pwned=1'
)
HUGE = "rude " + "x" * 1_200_000


def prompts() -> list[object]:
    rows: list[object] = [{"prompt": f"question {n} {('bad thing', 'rude word', 'long text', 'nothing')[n % 4]}",
                           "tags": ["even" if n % 2 == 0 else "odd"]} for n in range(40)]  # fmt: skip
    return [
        *rows,
        {"prompt": HOSTILE, "tags": ["<b>tag"]},
        {"prompt": HUGE},
        {"prompt": "naïve rude größe", "id": "a/../ü?&#"},
    ]


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A run whose answers are their prompts: `bad`, `rude` and `long` are revised, and all of it is hostile."""
    folder = tmp_path_factory.mktemp("view")
    return folder / "run", run(folder, prompts(), *TIERS)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same prompts, and a critic that finds nothing wrong with what is rude."""
    folder = tmp_path_factory.mktemp("other")
    run(
        folder,
        prompts(),
        *TIERS,
        world=World(violates=lambda answer, word: 0.95 if word in answer and word != "rude" else 0.05),
    )
    return folder / "run"


@pytest.fixture(scope="session")
def page(done: tuple[Path, Run], other: Path) -> Iterator[Viewing]:
    with viewing(done[0], other) as viewer:
        yield viewer
