"""A folder of constitutions that are wrong, each beside what is said of it: ``broken/NAME.yaml`` and ``NAME.txt``.

``{shipped}`` in an expected message stands for the names of the shipped constitutions.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.config.constitution import load_constitution
from constitutional.errors import ConstitutionalError
from constitutional.resources import shipped_names

BROKEN = Path(__file__).parent / "broken"
NAMES = sorted(path.stem for path in BROKEN.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_a_broken_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    with pytest.raises(ConstitutionalError) as caught:
        load_constitution(Path(f"{name}.yaml"))
    expected = Path(f"{name}.txt").read_text(encoding="utf-8")
    shipped = ", ".join(shipped_names("constitutions", ".yaml"))
    assert f"{caught.value}\n" == expected.replace("{shipped}", shipped)
    assert caught.value.exit_code == 2


def test_the_folder_is_whole() -> None:
    assert len(NAMES) >= 40
    assert sorted(path.stem for path in BROKEN.glob("*.txt")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_line_names_file_line_and_column_in_the_order_of_each_file(name: str) -> None:
    places: dict[str, list[tuple[int, int]]] = {}
    for line in (BROKEN / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        found = re.match(r"((?:parts/)?[\w-]+\.yaml):(\d+):(\d+): \S", line)
        assert found, line
        places.setdefault(found[1], []).append((int(found[2]), int(found[3])))
    assert all(inside == sorted(inside) for inside in places.values())
