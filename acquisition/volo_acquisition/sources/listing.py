"""What one could connect to: the list behind ``volo devices``."""

from __future__ import annotations

from dataclasses import dataclass

from volo_acquisition import registry

__all__ = ["DeviceRow", "list_devices"]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One thing to connect to.

    Attributes
    ----------
    source : str
        Registered name of the source that reads it.
    spec : str
        What to write after ``--source``; a part in angle brackets is to be filled in.
    description : str
        For people.
    present : bool or None
        True if it is there now, None if that cannot be known without connecting.
    """

    source: str
    spec: str
    description: str
    present: bool | None = None


def list_devices(lsl_wait_s: float = 0.0) -> list[DeviceRow]:
    """Return everything that can be connected to; no hardware is touched.

    Parameters
    ----------
    lsl_wait_s : float
        How long to look for LSL streams, real seconds; 0 does not look. Below 0.5 some may be missed.
    """
    rows = []
    known = registry.names("volo.sources")
    if "synthetic" in known:
        rows.append(DeviceRow("synthetic", "synthetic", "simulated participant, no hardware", True))
    if lsl_wait_s > 0.0:
        rows += _lsl_rows(lsl_wait_s)
    if "brainflow" in known:
        rows += _brainflow_rows()
    if "replay" in known:
        rows.append(DeviceRow("replay", "replay:<file.xdf>", "a recording, played again", None))
    builtin = {"synthetic", "lsl", "brainflow", "replay"}
    rows += [DeviceRow(name, name, "plug-in", None) for name in known if name not in builtin]
    return rows


def _lsl_rows(wait_s: float) -> list[DeviceRow]:
    from volo_acquisition.sources.lsl_link import find_streams

    rows = []
    for info in find_streams((), wait_s):
        by = f"source_id={info.source_id()}" if info.source_id() else f"name={info.name()}"
        rate_hz = info.nominal_srate()
        rate = f"{rate_hz:g} Hz" if rate_hz else "irregular"
        text = f"LSL stream {info.name()}, type {info.type()}, {info.channel_count()} channels, {rate}"
        rows.append(DeviceRow("lsl", f"lsl:{by}", text, True))
    return rows


def _brainflow_rows() -> list[DeviceRow]:
    from volo_acquisition.sources.brainflow_driver import load_brainflow

    driver = load_brainflow()
    BoardIds, BoardShim, BrainFlowError = driver.BoardIds, driver.BoardShim, driver.BrainFlowError

    from volo_acquisition.sources.brainflow import board_names

    rows = []
    for name in board_names():
        spec = f"brainflow:{name}"
        if name in ("PLAYBACK_FILE_BOARD", "STREAMING_BOARD"):
            filled = "file=<file.csv>" if name == "PLAYBACK_FILE_BOARD" else "ip_address=<address>,ip_port=<port>"
            rows.append(DeviceRow("brainflow", f"{spec},{filled},master_board=<board>", "BrainFlow", None))
            continue
        try:
            board = BoardShim.get_board_descr(BoardIds[name].value)
        except BrainFlowError:  # named in the enumeration, but not in this build of the library
            continue
        n_eeg = len(board.get("eeg_channels", ()))
        text = f"BrainFlow {board['name']}, {n_eeg} EEG channels, {board['sampling_rate']:g} Hz"
        rows.append(DeviceRow("brainflow", spec, text, True if name == "SYNTHETIC_BOARD" else None))
    return rows
