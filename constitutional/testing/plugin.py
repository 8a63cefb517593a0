"""The pytest plugin: the marker and fixture ``conformance``, and small things to test with.

Found by itself through its entry point, or named with ``-p constitutional.testing.plugin``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ModuleNotFoundError as missing:  # the checks themselves run without it
    from constitutional.errors import MissingExtraError

    raise MissingExtraError.naming("pytest", "testing") from missing

if TYPE_CHECKING:
    from constitutional.core.constitution import Constitution
    from constitutional.models.recorded import RecordedModel
    from constitutional.testing.ledger import MemoryLedger
    from constitutional.testing.subject import Subject

MARKER = (
    "conformance(*subjects): run the conformance kit on each `constitutional.testing.Subject`; given the name of a kind in "
    "its place, on what the fixture `subject` returns. The test takes the fixture `conformance` and calls it."
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per subject and check."""
    if "conformance" not in metafunc.fixturenames:
        return
    from constitutional.plugins import KINDS
    from constitutional.testing.kit import checks_of

    marker = metafunc.definition.get_closest_marker("conformance")
    if marker is None or not marker.args:
        raise pytest.UsageError(f"{metafunc.function.__name__}: mark it with @pytest.mark.conformance(Subject(…))")
    params = []
    for given in marker.args:
        kind, name = (given, given) if isinstance(given, str) else (given.kind, given.name)
        if kind not in KINDS:
            raise pytest.UsageError(f"{metafunc.function.__name__}: {kind!r} is no kind of plugin: {', '.join(KINDS)}")
        subject = None if isinstance(given, str) else given
        params += [pytest.param((subject, check), id=f"{name}-{check.name}") for check in checks_of(kind)]
    metafunc.parametrize("conformance", params, indirect=True)


@pytest.fixture
def conformance(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Call it: one check of the kit, skipped where it says nothing of this subject."""
    from constitutional.testing.subject import NotApplicable

    given, check = request.param
    subject: Subject = request.getfixturevalue("subject") if given is None else given

    def run() -> None:
        __tracebackhide__ = True
        try:
            check(subject)
        except NotApplicable as why:
            pytest.skip(str(why))

    return run


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    """A ledger in memory."""
    from constitutional.testing.ledger import MemoryLedger

    return MemoryLedger()


@pytest.fixture
def tiny_constitution() -> Constitution:
    """Two tiers, three principles."""
    from constitutional.testing import material

    return material.tiny_constitution()


@pytest.fixture
def scripted_model(memory_ledger: MemoryLedger) -> Callable[..., RecordedModel]:
    """``scripted_model(script, logprobs=True)``: a model as a role sees it, recorded in ``memory_ledger``."""
    from constitutional.testing.workshop import recorded_model

    def make(script: Any, *, logprobs: bool = True) -> RecordedModel:
        return recorded_model(script, memory_ledger, logprobs=logprobs)

    return make
