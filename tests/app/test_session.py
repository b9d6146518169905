"""Session folders: codes only, one number each, nothing of the machine in them."""

from __future__ import annotations

import getpass
import json
import platform
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import FileError, Reason
from volo_app.session import Session, create_session, default_workspace, find_session, load_session


def make(workspace: Path, participant: str = "P001", **settings: object) -> Session:
    return create_session(workspace, participant, task="ssvep", settings=settings)


def test_sessions_of_a_participant_count_up_and_do_not_touch_those_of_others(tmp_path: Path) -> None:
    labels = [make(tmp_path, code).label for code in ("P001", "P001", "P002", "P001")]
    assert labels == ["sub-P001_ses-01", "sub-P001_ses-02", "sub-P002_ses-01", "sub-P001_ses-03"]


def test_a_number_is_never_used_again_after_the_last(tmp_path: Path) -> None:
    (tmp_path / "sub-P001" / "ses-99").mkdir(parents=True)
    assert make(tmp_path).folder.name == "ses-100"


@given(
    code=st.one_of(
        st.sampled_from(["", "..", "a/b", "a\\b", ".", "P 1", "Zoë", "a\n", "x" * 33, "/tmp", "C:"]), st.text()
    )
)
def test_a_code_is_of_letters_and_digits_or_refused_before_anything_is_made(
    tmp_path_factory: pytest.TempPathFactory, code: str
) -> None:
    workspace = tmp_path_factory.mktemp("w") / "deep"
    fine = code.isascii() and code.isalnum() and len(code) <= 32
    if fine:
        assert make(workspace, code).folder.parent == workspace / f"sub-{code}"
        return
    with pytest.raises(FileError) as caught:
        make(workspace, code)
    assert caught.value.reason is Reason.INVALID
    assert not workspace.exists()


def test_session_toml_keeps_settings_and_versions_but_no_host_user_or_home(tmp_path: Path) -> None:
    home = Path.home()
    session = make(
        tmp_path,
        rate_hz=250.0,
        file=home / "x.xdf",
        nested={"places": [str(home), None, 1]},
        nothing=None,
        infinite=float("inf"),
    )
    text = (session.folder / "session.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    assert content["schema"] == "volo.session/1"
    assert (content["participant"], content["session"], content["task"]) == ("P001", 1, "ssvep")
    assert content["settings"]["rate_hz"] == 250.0
    assert content["settings"]["nested"] == {"places": ["~", 1]}
    assert not {"nothing", "infinite"} & set(content["settings"])
    assert {"python", "volo", "numpy"} <= set(content["versions"])
    secrets = {str(home), platform.node()} | ({getpass.getuser()} - {"root"})
    assert not [secret for secret in secrets if secret and secret in text]


def test_run_path_follows_the_naming_of_the_field(tmp_path: Path) -> None:
    session = make(tmp_path)
    path = session.run_path("ssvep", 1)
    assert (
        path.relative_to(tmp_path).as_posix() == "sub-P001/ses-01/sourcedata/sub-P001_ses-01_task-ssvep_run-01_eeg.xdf"
    )
    assert path.parent.is_dir()


@pytest.mark.parametrize("ending", ["", ".part"])
def test_the_next_run_is_after_those_recorded_or_begun(tmp_path: Path, ending: str) -> None:
    session = make(tmp_path)
    assert session.next_run("ssvep") == 1
    path = session.run_path("ssvep", 1)
    path.with_name(path.name + ending).touch()
    assert session.next_run("ssvep") == 2
    assert session.next_run("rest") == 1


@pytest.mark.parametrize(("task", "run"), [("../x", 1), ("", 1), ("a_b", 1), ("ssvep", 0)])
def test_run_path_refuses_what_would_leave_the_folder(tmp_path: Path, task: str, run: int) -> None:
    with pytest.raises(ValueError, match="got"):
        make(tmp_path).run_path(task, run)


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", "x.", "a" * 65])
def test_decoder_dir_refuses_what_is_no_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="got"):
        make(tmp_path).decoder_dir(name)


def test_decoder_dir_is_made_inside_the_session(tmp_path: Path) -> None:
    session = make(tmp_path)
    folder = session.decoder_dir("etrca-2s")
    assert folder.is_dir()
    assert folder == session.folder / "decoders" / "etrca-2s"


def test_the_journal_only_grows_and_every_line_is_json(tmp_path: Path) -> None:
    session = make(tmp_path)
    session.journal("phase", name="calibration", score=float("nan"), place=Path.home() / "f")
    first = (session.folder / "journal.jsonl").read_bytes()
    session.journal("error", message="line\nbreak — ü")
    text = (session.folder / "journal.jsonl").read_bytes()
    assert text.startswith(first)
    rows = [json.loads(line) for line in text.decode().splitlines()]
    assert [row["kind"] for row in rows] == ["phase", "error"]
    assert rows[0]["score"] is None
    assert Path(rows[0]["place"]).parts[0] == "~"
    assert rows[1]["message"] == "line\nbreak — ü"


def test_find_session_walks_up_from_a_recording(tmp_path: Path) -> None:
    session = make(tmp_path)
    for path in (session.run_path("ssvep", 1), session.folder, session.folder / "session.toml"):
        assert find_session(path) == session


def test_find_session_says_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        find_session(tmp_path / "x.xdf")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('schema = "volo.session/2"\n', Reason.NEWER_SCHEMA),
        ('schema = "other/1"\n', Reason.DAMAGED),
        ("schema = [", Reason.DAMAGED),
        ('schema = "volo.session/1"\nparticipant = 3\n', Reason.DAMAGED),
        ("\x00", Reason.DAMAGED),
    ],
)
def test_a_damaged_or_newer_session_is_refused_by_name(tmp_path: Path, text: str, reason: Reason) -> None:
    (tmp_path / "session.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=r"session\.toml") as caught:
        load_session(tmp_path)
    assert caught.value.reason is reason


def test_an_unwritable_workspace_names_the_folder_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError) as caught:
        make(tmp_path / "file" / "workspace")
    assert caught.value.reason is Reason.NOT_WRITABLE
    assert str(tmp_path / "file" / "workspace") in caught.value.message
    assert "--workspace" in caught.value.hint


def test_a_journal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    session = make(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FileError):
        replace(session, folder=tmp_path / "file").journal("phase")


def test_the_workspace_is_the_one_of_the_environment_else_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLO_WORKSPACE", "somewhere")
    assert default_workspace() == Path("somewhere").absolute()
    monkeypatch.setenv("VOLO_WORKSPACE", " ")
    assert default_workspace() == Path.home() / "Volo"
