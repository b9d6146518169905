"""Life signs: what one process writes every other sees, also after kill -9, and nothing is ever half written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.lifesign import MISSED_S, LifeSigns, StopSign

ROLES = ("recorder", "source-1", "engine", "screen", "desk")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.life"


def test_a_role_is_missed_only_between_its_first_beat_and_its_leaving(path: Path) -> None:
    with LifeSigns.create(path, ROLES) as mine, LifeSigns(path, read_only=True) as theirs:
        assert theirs.roles == ROLES
        assert theirs.age("engine", 100.0) is None
        assert theirs.missed(100.0) == ()
        mine.beat("engine", 10.0)
        assert theirs.age("engine", 10.25) == 0.25
        assert theirs.missed(10.0 + MISSED_S) == ()
        assert theirs.missed(10.001 + MISSED_S) == ("engine",)
        assert theirs.missed(10.001 + MISSED_S, ("desk",)) == ()
        assert theirs.why_safe(11.0) == "no sign of life from engine"
        mine.leave("engine")
        assert theirs.has_left("engine")
        assert theirs.missed(1e6) == ()
        assert theirs.why_safe(1e6) == ""


def test_the_first_stop_stays_with_its_reason(path: Path) -> None:
    with LifeSigns.create(path, ROLES) as mine, LifeSigns(path, read_only=True) as theirs:
        assert theirs.stopped is None
        mine.stop("screen", "Escape\nwas pressed", 5.0)
        mine.stop("screen", "another", 6.0)
        mine.stop("recorder", "signal", 7.0)
        assert theirs.stopped == StopSign(5.0, "screen", "Escape was pressed")
        assert theirs.why_safe(5.0) == "stopped by screen: Escape was pressed"
        assert theirs.stop_of("recorder") == StopSign(7.0, "recorder", "signal")
        assert theirs.stop_of("desk") is None


@given(st.text(max_size=400), st.floats(0.0, 1e9))
def test_any_reason_and_any_time_stop(tmp_path_factory: pytest.TempPathFactory, reason: str, now: float) -> None:
    with LifeSigns.create(tmp_path_factory.mktemp("life") / "run.life", ROLES) as signs:
        signs.stop("desk", reason, now)
        sign = signs.stopped
        assert sign is not None
        assert sign.time == pytest.approx(now)
        whole = " ".join(reason.split())
        assert sign.reason == whole if len(whole.encode()) <= 232 else whole.startswith(sign.reason)


WRITER = """
import sys
from pathlib import Path
from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import LifeSigns
signs, clock = LifeSigns(Path(sys.argv[1])), SessionClock()
signs.stop("screen", "told before the end", clock.now())
sys.stdout.write("ready\\n"); sys.stdout.flush()
while True:
    signs.beat("engine", clock.now())
"""


def test_signs_survive_kill_9_and_stop_ageing_never(path: Path) -> None:
    clock = SessionClock()
    with LifeSigns.create(path, ROLES) as signs:
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        try:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == b"ready"
            while signs.age("engine", clock.now()) is None:
                clock.sleep(0.001)
            began = clock.now()
            beats = 0
            while beats < 2000:  # while it is written a beat is always a time that was, never a mixture
                now = clock.now()
                age = signs.age("engine", now)
                assert age is not None
                assert age <= now - began + 1.0
                beats += 1
        finally:
            child.kill()
            child.communicate()
        killed = clock.now()
        age = signs.age("engine", killed)
        assert age is not None
        sign = signs.stopped
        assert sign is not None
        assert (sign.role, sign.reason) == ("screen", "told before the end")
        assert signs.missed(killed + MISSED_S) == ("engine",)
    with LifeSigns(path, read_only=True) as again:
        assert again.stopped == sign


def test_one_that_only_looks_cannot_write(path: Path) -> None:
    LifeSigns.create(path, ROLES).close()
    with LifeSigns(path, read_only=True) as signs, pytest.raises(ValueError, match="read-only"):
        signs.beat("desk", 1.0)


def test_an_unknown_role_and_no_role_are_refused(path: Path) -> None:
    with LifeSigns.create(path, ROLES) as signs, pytest.raises(ValueError, match="this run has recorder"):
        signs.beat("cook", 1.0)
    for roles in ((), ("a", "a"), ("",)):
        with pytest.raises(ValueError, match="roles"):
            LifeSigns.create(path, roles)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.DAMAGED),
        (b"something else entirely, of some length, that is no file of life signs", Reason.DAMAGED),
        (b"VOLOLIFE" + (9).to_bytes(8, "little") + bytes(100), Reason.NEWER_SCHEMA),
        (b"VOLOLIFE" + (1).to_bytes(8, "little") + (5).to_bytes(8, "little") + bytes(40) + b'["a"]', Reason.DAMAGED),
    ],
)
def test_a_file_that_is_none_is_refused(path: Path, content: bytes, reason: Reason) -> None:
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        LifeSigns(path)
    assert caught.value.reason is reason


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(FileError) as caught:
        LifeSigns(path)
    assert caught.value.reason is Reason.NOT_FOUND
