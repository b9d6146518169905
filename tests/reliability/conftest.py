"""Every outcome of a test whose id names a row of the fault matrix goes to the file of figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from figures import note_outcome, row_of


@pytest.fixture(scope="session")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A run of the engine on a simulated participant: its fingerprint, and its recording in a session's folder."""
    from volo_app.demo import DemoSettings, calibrate, spell, train_speller
    from volo_app.session import create_session

    settings = DemoSettings(text="HI", n_blocks=3)
    session = create_session(tmp_path_factory.mktemp("workspace"), "REPLAY", task="ssvep", settings={})
    calibrate(session, settings)
    result, _ = spell(session, settings, train_speller(session, settings))
    return result.sha256, session.run_path("ssvep", 2)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note whether the test of a row held."""
    report = yield
    callspec = getattr(item, "callspec", None)
    row = (row_of(callspec.id) if callspec is not None else None) or row_of(item.name)
    if row is not None and (report.when == "call" or report.outcome != "passed"):
        reason = str(report.longrepr[2]) if report.skipped and isinstance(report.longrepr, tuple) else ""
        note_outcome(row, report.outcome, item.nodeid.rpartition("/")[2], reason.removeprefix("Skipped: "))
    return report
