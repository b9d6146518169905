"""Errors an operator sees: one line that names the thing, and a hint that names the way out."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ConfigError", "DecoderError", "DeviceError", "FileError", "PluginError", "Reason", "VoloError"]


class Reason(StrEnum):
    """Why something failed, as data; the interface turns reasons into advice."""

    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    NO_DATA = "no_data"
    WRONG_RATE = "wrong_rate"
    WRONG_CHANNELS = "wrong_channels"
    WRONG_UNIT = "wrong_unit"
    NOT_WRITABLE = "not_writable"
    EXISTS = "exists"
    DISK_FULL = "disk_full"
    DAMAGED = "damaged"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    NEWER_SCHEMA = "newer_schema"
    DRIVER = "driver"
    INVALID = "invalid"


class VoloError(Exception):
    """Base of all errors that are told to the operator.

    Parameters
    ----------
    message : str
        What was wrong and what came, naming the thing; one line.
    reason : Reason
        Why, as data.
    hint : str
        What to do about it; one line.
    """

    def __init__(self, message: str, *, reason: Reason, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class DeviceError(VoloError):
    """An amplifier or a stream: absent, silent, wrong."""


class FileError(VoloError):
    """A file or folder: missing, damaged, full, not writable."""


class DecoderError(VoloError):
    """A decoder that does not fit the stream, or cannot be loaded."""


class PluginError(VoloError):
    """A plug-in that is unknown or fails to import."""


class ConfigError(VoloError):
    """Bad settings: all problems at once, each as ``file: path.to.key: message``."""

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("; ".join(problems), reason=Reason.INVALID, hint=hint)
        self.problems = tuple(problems)
