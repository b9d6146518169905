"""The record of a participant's screening and consent, without which nothing flickers. Not: the questions."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from volo_acquisition.errors import FileError, Reason
from volo_app.session import utc_now
from volo_paradigms.safety.screening import Screening, text_sha256

__all__ = ["SCREENING_FILE", "load_screening", "require_screening", "save_screening"]

#: In the participant's folder.
SCREENING_FILE = "screening.toml"
SCHEMA = "volo.screening/1"


def save_screening(workspace: Path, participant: str, screening: Screening, *, operator: str) -> Path:
    """Keep a screening in the participant's folder, with who asked and when; an older one is replaced, and kept beside.

    Parameters
    ----------
    workspace : Path
        Where sessions are.
    participant : str
        Code of the participant, never a name.
    screening : Screening
        The answers.
    operator : str
        Code of who asked.

    Raises
    ------
    FileError
        If a code is not allowed, or the file cannot be written.
    """
    path = _path(workspace, participant)
    if not operator.isalnum():
        raise FileError(
            f"operator: got {operator!r}, allowed are letters and digits",
            reason=Reason.INVALID,
            hint="a code, never a person's name",
        )
    content = {
        "schema": SCHEMA,
        "asked_utc": utc_now(),
        "operator": operator,
        "version": screening.version,
        "language": screening.language,
        "text_sha256": text_sha256(),
        "consent": screening.consent,
        "confirmed": list(screening.confirmed),
        "answers": dict(screening.answers),
    }
    import tomli_w

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            asked = str(_read(path).get("asked_utc", "unknown"))
            stamp = "".join(letter for letter in asked if letter.isdigit())
            path.replace(path.with_name(f"screening-{stamp}.toml"))
        path.write_text(tomli_w.dumps(content), encoding="utf-8", newline="\n")
    except OSError as error:
        raise FileError(
            f"{path} cannot be written: {error.strerror}", reason=Reason.NOT_WRITABLE, hint="choose another workspace"
        ) from error
    return path


def load_screening(workspace: Path, participant: str) -> Screening | None:
    """Return the participant's screening; None if there is none.

    Raises
    ------
    FileError
        If the code is not allowed, or the file is damaged or of a newer Volo.
    """
    path = _path(workspace, participant)
    if not path.is_file():
        return None
    content = _read(path)
    schema = content.get("schema")
    if schema != SCHEMA:
        newer = str(schema).startswith("volo.screening/")
        raise FileError(
            f"{path}: schema is {schema!r}, expected {SCHEMA!r}",
            reason=Reason.NEWER_SCHEMA if newer else Reason.DAMAGED,
            hint="update Volo" if newer else "ask again",
        )
    answers, confirmed = content.get("answers"), content.get("confirmed")
    if not (isinstance(answers, Mapping) and isinstance(confirmed, list)):
        raise FileError(f"{path}: answers are missing", reason=Reason.DAMAGED, hint="ask again")
    version = content.get("version")
    return Screening(
        {str(name): answer is True for name, answer in answers.items() if isinstance(answer, bool)},
        content.get("consent") is True,
        tuple(str(name) for name in confirmed),
        str(content.get("language", "")),
        version if isinstance(version, int) else 0,
    )


def require_screening(workspace: Path, participant: str) -> str:
    """Return the screening as a line for a recording's header, or refuse.

    Raises
    ------
    FileError
        If there is no screening, or it names an obstacle; all obstacles are told.
    """
    screening = load_screening(workspace, participant)
    hint = f"volo screening --participant {participant}"
    if screening is None:
        raise FileError(
            f"participant {participant} has not been asked the questions that come before any flicker",
            reason=Reason.NOT_FOUND,
            hint=hint,
        )
    obstacles = screening.obstacles()
    if obstacles:
        raise FileError(
            f"nothing may flicker for participant {participant}: {'; '.join(obstacles)}",
            reason=Reason.INVALID,
            hint=hint,
        )
    told = {"version": screening.version, "language": screening.language, "confirmed": list(screening.confirmed)}
    return json.dumps(told)


def _path(workspace: Path, participant: str) -> Path:
    if not (participant.isascii() and participant.isalnum() and len(participant) <= 32):
        raise FileError(
            f"participant: got {participant!r}, allowed are 1 to 32 letters and digits",
            reason=Reason.INVALID,
            hint="a code, never a person's name",
        )
    return workspace / f"sub-{participant}" / SCREENING_FILE


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}", reason=Reason.NOT_FOUND) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path} is damaged: {error}", reason=Reason.DAMAGED, hint="ask again") from error
