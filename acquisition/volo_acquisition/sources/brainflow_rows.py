"""What the rows of a BrainFlow board are: names, kinds, units, counter, from its descriptor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from volo_acquisition.sources.continuity import CounterLaw
from volo_acquisition.types import Channel, ChannelKind, StreamInfo

__all__ = ["COUNTER_LAWS", "BoardRows", "board_rows"]

#: How package counters count, where it is known: one byte, for each sample or (daisy) for each pair of packages.
#: Other boards send several samples in a package or do not document the counter; their losses are estimated.
COUNTER_LAWS: Mapping[str, CounterLaw] = {
    "SYNTHETIC_BOARD": CounterLaw(256),
    "CYTON_BOARD": CounterLaw(256),
    "CYTON_WIFI_BOARD": CounterLaw(256),
    "CYTON_DAISY_BOARD": CounterLaw(256, step=2),
    "UNICORN_BOARD": CounterLaw(0),
}

# Descriptor key, name stem, kind, unit. The first that claims a row has it: boards list their electrodes as EEG, EMG
# and ECG at once.
_ROLES = (
    ("eeg_channels", "eeg", ChannelKind.EEG, "uV"),
    ("eog_channels", "eog", ChannelKind.EOG, "uV"),
    ("emg_channels", "emg", ChannelKind.EMG, "uV"),
    ("ecg_channels", "ecg", ChannelKind.AUX, "uV"),
    ("accel_channels", "accel", ChannelKind.AUX, "g"),
    ("gyro_channels", "gyro", ChannelKind.AUX, "deg/s"),
    ("magnetometer_channels", "magnetometer", ChannelKind.AUX, "arbitrary"),
    ("rotation_channels", "rotation", ChannelKind.AUX, "arbitrary"),
    ("eda_channels", "eda", ChannelKind.AUX, "arbitrary"),
    ("ppg_channels", "ppg", ChannelKind.AUX, "arbitrary"),
    ("optical_channels", "optical", ChannelKind.AUX, "arbitrary"),
    ("temperature_channels", "temperature", ChannelKind.AUX, "degC"),
    ("resistance_channels", "resistance", ChannelKind.AUX, "arbitrary"),
    ("analog_channels", "analog", ChannelKind.AUX, "arbitrary"),
    ("other_channels", "other", ChannelKind.AUX, "arbitrary"),
)


@dataclass(frozen=True, slots=True)
class BoardRows:
    """How BrainFlow's array, shape (n_rows, n_samples), becomes a stream.

    Attributes
    ----------
    info : StreamInfo
        The stream.
    rows : tuple of int
        Row of each of its channels.
    n_rows : int
        Rows of the array.
    stamp_row, marker_row, counter_row : int
        Where stamps, BrainFlow's own markers and the package counter are; -1 if the board has none.
    """

    info: StreamInfo
    rows: tuple[int, ...]
    n_rows: int
    stamp_row: int
    marker_row: int
    counter_row: int


def board_rows(name: str, description: Mapping[str, Any]) -> BoardRows:
    """Read a board's descriptor, as ``BoardShim.get_board_descr`` returns it.

    Parameters
    ----------
    name : str
        The board's name in BoardIds.
    description : Mapping
        The descriptor.
    """
    n_rows = int(description["num_rows"])
    stamp_row = int(description["timestamp_channel"])
    marker_row = int(description.get("marker_channel", -1))
    counter_row = int(description.get("package_num_channel", -1))
    channels: dict[int, Channel] = {}
    if counter_row >= 0:
        channels[counter_row] = Channel("counter", ChannelKind.COUNTER, "count")
    if "battery_channel" in description:
        channels[int(description["battery_channel"])] = Channel("battery", ChannelKind.AUX, "percent")
    taken = {stamp_row, marker_row, *channels}
    names = [text.strip() for text in str(description.get("eeg_names", "")).split(",") if text.strip()]
    for key, stem, kind, unit in _ROLES:
        rows = [int(row) for row in description.get(key, ())]
        named = (
            names if key == "eeg_channels" and len(names) == len(rows) else [f"{stem}{i + 1}" for i in range(len(rows))]
        )
        for row, channel_name in zip(rows, named, strict=True):
            if row not in taken:
                channels[row] = Channel(channel_name, kind, unit)
                taken.add(row)
    for row in range(n_rows):
        if row not in taken:
            channels[row] = Channel(f"row{row}", ChannelKind.AUX, "arbitrary")
    order = tuple(sorted(channels))
    info = StreamInfo(
        stream_id=str(description.get("name", name)),
        kind="eeg" if description.get("eeg_channels") else "exg",
        rate_hz=float(description["sampling_rate"]),
        channels=tuple(channels[row] for row in order),
        dtype="float64",
        source=f"BrainFlow {name}",
    )
    return BoardRows(info, order, n_rows, stamp_row, marker_row, counter_row)
