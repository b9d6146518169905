"""Rows S9, S13, S14, H13: hostile names and headers, what a recording may not tell, and what is left after deletion."""

from __future__ import annotations

import getpass
import json
import platform
import re
import struct
import uuid
from pathlib import Path
from time import process_time

import pytest
from figures import note_figure
from recording_made import EEG, eeg_chunk

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.verify import verify
from volo_app.cli import main
from volo_app.session import Session, create_session
from volo_app.sessions import delete, list_sessions, pick, resume, runs_of

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 12))
    + "]><info><name>&a11;</name></info>"
)
DEEP = "<info>" + "<a>" * 200_000 + "</info>"
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><info><name>&e;</name></info>'


def chunk(tag: int, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


@pytest.mark.parametrize(
    "xml",
    [pytest.param(BOMB, id="S9-bomb"), pytest.param(DEEP, id="S9-deep"), pytest.param(EXTERNAL, id="S9-external")],
)
@pytest.mark.parametrize("place", ["stream", "file", "footer"])
def test_hostile_headers_are_refused_at_once(tmp_path: Path, xml: str, place: str) -> None:
    file_head = xml if place == "file" else "<info><version>1.0</version></info>"
    good = (
        "<info><name>x</name><channel_count>1</channel_count><channel_format>int8</channel_format>"
        "<nominal_srate>1</nominal_srate></info>"
    )
    data = b"XDF:" + chunk(1, file_head.encode())
    data += chunk(2, struct.pack("<I", 1) + (xml if place == "stream" else good).encode())
    data += chunk(6, struct.pack("<I", 1) + (xml if place == "footer" else "<info/>").encode())
    path = tmp_path / "x.xdf"
    path.write_bytes(data)
    t0 = process_time()  # of the processor: a busy machine may stand still meanwhile
    try:
        problems = Recording.open(path).problems
    except FileError as error:
        problems = (error.message,)
    took_s = process_time() - t0
    note_figure("S9", "entity bombs, 200,000 levels, external entities in three places: refused", held=took_s <= 1.0)
    assert problems
    assert took_s <= 1.0


NAMES = [
    "..", ".", "../x", "..\\x", "a/b", "/etc", "C:", "C:\\x", "a\x00b", "CON ", "con.", "a b", "-", "~", "x" * 70, "",
    "a\nb", "\u202eabc", "\uff0e\uff0e", "%2e%2e", "sub-../..",
]  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, id=f"S13-{k}") for k, name in enumerate(NAMES)])
def test_names_that_lead_elsewhere_are_refused_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    workspace = tmp_path / "deep" / "workspace"
    session = create_session(workspace, "P1", task="x", settings={})
    before = sorted(tmp_path.rglob("*"))
    for call in (
        lambda: create_session(workspace, name, task="x", settings={}),
        lambda: create_session(workspace, "P1", task=name, settings={}),
        lambda: delete(workspace, name, why="test"),
        lambda: delete(workspace, f"sub-{name}_ses-01", why="test"),
        lambda: pick(workspace, f"sub-P1_ses-{name}"),
        lambda: session.run_path(name, 1),
        lambda: session.decoder_dir(name),
    ):
        with pytest.raises((FileError, ValueError)):
            call()
    note_figure("S13", f"{len(NAMES)} names, 7 places: refused, 0 writes", held=sorted(tmp_path.rglob("*")) == before)
    assert sorted(tmp_path.rglob("*")) == before
    assert session.folder.is_dir()


def test_reserved_names_of_windows_are_never_a_whole_name(tmp_path: Path) -> None:
    for code in ("CON", "nul", "LPT1"):
        session = create_session(tmp_path, code, task=code, settings={})
        for path in (session.folder, session.run_path(code, 1)):
            reserved = {"con", "nul", "lpt1"}
            assert not {part.partition(".")[0].lower() for part in path.relative_to(tmp_path).parts} & reserved


def secrets() -> list[str]:
    """What no file may tell: user, host, home, and this machine's network address."""
    node = f"{uuid.getnode():012x}"
    mac = [":".join(node[k : k + 2] for k in range(0, 12, 2)), node]
    words = [getpass.getuser(), platform.node(), str(Path.home()), *mac]
    return [word for word in words if len(word) > 3 and word not in {"root", "user", "home"}] + [str(Path.home()) + "/"]


def told(folder: Path) -> list[str]:
    """Return where a file in the folder tells one of these."""
    address = re.compile(rb"(?<![0-9a-f:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])", re.IGNORECASE)
    hits = []
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            hits += [f"{path.name}: {word}" for word in secrets() if word.encode() in data]
            hits += [f"{path.name}: an address" for _ in address.findall(data)]
    return hits


@pytest.mark.parametrize("row", [pytest.param("S14", id="S14-session")])
def test_no_file_of_a_session_tells_person_host_or_address(spelled: tuple[str, Path], row: str) -> None:
    workspace = spelled[1].parents[3]
    n = sum(path.is_file() for path in workspace.rglob("*"))
    hits = told(workspace)
    note_figure(row, f"{n} files of a session: {len(hits)} hits of user, host, home, MAC", "0 hits", held=not hits)
    assert n > 5
    assert hits == []


@pytest.mark.parametrize("row", [pytest.param("S14", id="S14-record")])
def test_no_file_of_a_recording_tells_person_host_or_address(tmp_path: Path, row: str) -> None:
    out = tmp_path / "made"
    assert main(["record", "--source", "synthetic", "--duration", "1", "--out", str(out), "--quiet"]) == 0
    hits = told(out)
    note_figure(row, f"files of volo record: {len(hits)} hits", "0 hits in a recording", held=not hits)
    assert any(out.iterdir())
    assert hits == []


def test_the_search_finds_what_it_searches(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"..." + secrets()[0].encode() + b" 0a:1b:2c:3d:4e:5f")
    assert len(told(tmp_path)) >= 2


def filled(workspace: Path, participant: str) -> Session:
    session = create_session(workspace, participant, task="rest", settings={})
    with XdfRecorder(session.run_path("rest", 1)) as recorder:
        recorder.add_stream(EEG)
        recorder.write_chunk(eeg_chunk(0, 100))
    (session.decoder_dir("d") / "x.bin").write_bytes(b"derived")
    session.journal("note", text="x")
    return session


@pytest.mark.parametrize("n", [pytest.param(2, id="H13")])
def test_withdrawal_removes_everything_and_leaves_a_tombstone(tmp_path: Path, n: int) -> None:
    for _ in range(n):
        filled(tmp_path, "P7")
    kept = filled(tmp_path, "P8")
    removed = delete(tmp_path, "sub-P7", why="consent withdrawn")
    left = [path for path in tmp_path.rglob("*") if "P7" in path.as_posix()]
    lines = [json.loads(line) for line in (tmp_path / "tombstones.jsonl").read_text().splitlines()]
    note_figure(
        "H13", f"{removed.n_files} files of {n} sessions removed, {len(left)} left, tombstone written", held=not left
    )
    assert left == []
    assert removed.sessions == tuple(range(1, n + 1))
    assert [line["state"] for line in lines] == ["begun", "done"]
    assert lines[1]["why"] == "consent withdrawn"
    assert lines[1]["participant"] == "P7"
    assert [session.label for session in list_sessions(tmp_path)] == [kept.label]
    with pytest.raises(FileError, match="withdrew") as caught:
        create_session(tmp_path, "P7", task="rest", settings={})
    assert caught.value.reason is Reason.INVALID


def test_a_deleted_sessions_number_is_not_used_again(tmp_path: Path) -> None:
    filled(tmp_path, "P1")
    filled(tmp_path, "P1")
    delete(tmp_path, "sub-P1_ses-02", why="aborted")
    assert create_session(tmp_path, "P1", task="rest", settings={}).label == "sub-P1_ses-03"
    delete(tmp_path, "P1/1", why="aborted")
    delete(tmp_path, "P1/3", why="aborted")
    assert not (tmp_path / "sub-P1").exists()
    assert create_session(tmp_path, "P1", task="rest", settings={}).label == "sub-P1_ses-04"


def test_what_is_being_recorded_is_not_deleted_and_a_crashed_session_goes_on(tmp_path: Path) -> None:
    session = create_session(tmp_path, "P1", task="rest", settings={})
    recorder = XdfRecorder(session.run_path("rest", 1))
    recorder.add_stream(EEG)
    recorder.write_chunk(eeg_chunk(0, 100))
    assert [run.state for run in runs_of(session)] == ["recording"]
    with pytest.raises(FileError, match="still being recorded"):
        delete(tmp_path, session.label, why="test")
    assert resume(session) == []
    recorder.flush()
    data = recorder.part.read_bytes()
    recorder.close()
    path = session.run_path("rest", 1)
    for beside in path.parent.iterdir():
        beside.unlink()
    path.with_name(path.name + ".part").write_bytes(data)  # as a kill leaves it
    assert [run.state for run in runs_of(session)] == ["unfinished"]
    (leftover,) = resume(session)
    assert leftover.report is not None
    assert leftover.report.samples["eeg"] == 100
    assert [run.state for run in runs_of(session)] == ["repaired"]
    assert session.next_run("rest") == 2
    kinds = [json.loads(line)["kind"] for line in (session.folder / "journal.jsonl").read_text().splitlines()]
    assert kinds == ["resumed", "repaired", "resumed"]
    assert verify(path).complete


def test_a_new_session_repairs_what_earlier_ones_left(tmp_path: Path) -> None:
    session = filled(tmp_path, "P1")
    path = session.run_path("rest", 1)
    data = path.read_bytes()
    path.with_name("sub-P1_ses-01_task-rest_run-02_eeg.xdf.part").write_bytes(data[:-400])
    create_session(tmp_path, "P1", task="rest", settings={})
    assert [run.state for run in runs_of(session)] == ["complete", "repaired"]
    assert path.read_bytes() == data


def test_the_command_lists_shows_resumes_and_deletes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path, "P1")
    where = ["--workspace", str(tmp_path), "--json"]

    def call(*words: str, status: int = 0) -> dict[str, object]:
        assert main(["sessions", *words, *where]) == status
        found = json.loads(capsys.readouterr().out)
        assert isinstance(found, dict)
        return found

    assert [row["label"] for row in call()["sessions"]] == ["sub-P1_ses-01"]  # type: ignore[attr-defined]
    (run,) = call("show", "sub-P1_ses-01")["runs"]  # type: ignore[misc]
    assert run["state"] == "complete"
    assert call("resume", "P1/1")["next_run"] == 2
    assert "error" in call("delete", "sub-P1", status=2)
    assert "error" in call("show", "sub-P9_ses-01", status=1)
    assert call("delete", "sub-P1", "--why", "withdrawn", "--yes")["removed"] == [1]
    assert call()["sessions"] == []
