from __future__ import annotations

import math

import pytest

from tests.support.kills import lost
from tests.support.server import Entry


def entry(name: str, received: float, sent: float | None) -> Entry:
    whole = sent is not None
    return {
        "digest": name, "status": 200 if whole else 0, "fault": None, "whole": whole, "received": received, "sent": sent,
        "prompt": "",
    }  # fmt: skip


def test_an_answer_is_lost_if_it_was_there_before_the_kill_and_is_asked_for_again() -> None:
    kills = [(10.0, 10.1), (20.0, 20.1)]
    log = [
        entry("kept", 1.0, 2.0),
        entry("young", 9.0, 9.9), entry("young", 11.0, 12.0),
        entry("old", 1.0, 3.0), entry("old", 11.0, 19.5), entry("old", 21.0, 22.0),
        entry("in flight", 9.9, None), entry("in flight", 11.0, 12.0),
        entry("answered when it was dead", 9.9, 10.2), entry("answered when it was dead", 11.0, 12.0),
        entry("asked twice by the last session", 21.0, 22.0), entry("asked twice by the last session", 23.0, 24.0),
    ]  # fmt: skip
    found = lost(log, kills)
    assert found.pop("asked twice by the last session") == math.inf
    assert found == {"young": pytest.approx(0.1), "old": pytest.approx(7.0)}
