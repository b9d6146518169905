"""From Volo's values to rows of a recording: the recorder itself knows no predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, ChannelKind, Item, StreamInfo
from volo_decoders.types import Decision, Prediction
from volo_paradigms.types import Command

__all__ = ["FRAMES", "RowSink", "RunRecorder"]

#: Stream of a real screen's frames.
FRAMES = "volo-frames"
_TEXT = (Channel("json", ChannelKind.AUX, "json"),)


class RowSink(Protocol):
    """What takes rows: `volo_acquisition.recording.recorder.XdfRecorder`, or the way to the recorder's process."""

    def add_stream(self, info: StreamInfo) -> None:
        """Add a stream."""
        ...

    def write_item(self, item: Item) -> None:
        """Take a chunk, marker, event or correction."""
        ...

    def write_rows(self, stream_id: str, times: NDArray[np.float64], rows: list[str] | NDArray[Any]) -> None:
        """Take rows of a stream that was added."""
        ...

    def close(self) -> Path:
        """Finish; return the file."""
        ...


class RunRecorder:
    """Writes everything that happens in a run into one XDF file.

    Besides the signal streams: ``volo-predictions`` (trial, stop index, samples, one score a class),
    ``volo-decisions`` and ``volo-commands`` (JSON), ``volo-frames`` of a real screen (number of the frame, whether it
    was late, how many before it were missed; stamped when its swap returned), and what the recorder keeps itself:
    markers, events, corrections, segments.

    Parameters
    ----------
    path : Path or None
        The file, ``.xdf``; it is ``.xdf.part`` until closed. None with a sink.
    header : Mapping of str to str
        Goes into the file's header.
    sink : RowSink or None
        Takes the rows instead of a file of its own.
    """

    def __init__(self, path: Path | None, header: Mapping[str, str], *, sink: RowSink | None = None) -> None:
        if sink is None:
            if path is None:
                raise ValueError("RunRecorder: got neither a path nor a sink, it needs one of them")
            sink = XdfRecorder(path, header={"schema": "1", **header})
        self._recorder = sink
        self._has_predictions = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, infos: Sequence[StreamInfo], classes: Sequence[str] = (), *, has_frames: bool = False) -> None:
        """Announce the streams of the source, those of the decoder if there are classes, and that of the frames."""
        for info in infos:
            self._recorder.add_stream(info)
        if classes:
            columns = ["trial", "stop_index", "n_samples", *(f"score:{c}" for c in classes)]
            channels = tuple(Channel(name, ChannelKind.AUX, "1") for name in columns)
            self._recorder.add_stream(StreamInfo("volo-predictions", "predictions", 0.0, channels, "float64"))
            self._recorder.add_stream(StreamInfo("volo-decisions", "decisions", 0.0, _TEXT, "string"))
            self._has_predictions = True
        if has_frames:
            columns = ["index", "late", "missed"]
            channels = tuple(Channel(name, ChannelKind.AUX, "count") for name in columns)
            self._recorder.add_stream(StreamInfo(FRAMES, "frames", 0.0, channels, "int32"))
        self._recorder.add_stream(StreamInfo("volo-commands", "commands", 0.0, _TEXT, "string"))

    def item(self, item: Item) -> None:
        """Write a chunk, marker, event or correction."""
        self._recorder.write_item(item)

    def prediction(self, prediction: Prediction) -> None:
        """Write a prediction."""
        head = [float(prediction.group), float(prediction.stop_index), float(prediction.n_samples)]
        row = np.concatenate([head, prediction.scores])[None]
        self._recorder.write_rows("volo-predictions", np.array([prediction.stop_time]), row)

    def decision(self, decision: Decision, latency_s: float) -> None:
        """Write a decision, with how long it took from the push of its last sample."""
        row = {
            "trial": decision.group,
            "label": decision.label,
            "confidence": decision.confidence,
            "stop_index": decision.stop_index,
            "n_windows": decision.n_windows,
            **({"reason": decision.reason} if decision.reason else {}),
            "latency_s": latency_s,
        }
        self._recorder.write_rows("volo-decisions", np.array([decision.time]), [json.dumps(row, ensure_ascii=False)])

    def command(self, command: Command) -> None:
        """Write a command."""
        row = {
            "sequence": command.sequence,
            "target": command.target,
            "value": command.value,
            "valid_for_s": command.valid_for_s,
        }
        self._recorder.write_rows("volo-commands", np.array([command.time]), [json.dumps(row, ensure_ascii=False)])

    def frames(self, rows: NDArray[np.float64]) -> None:
        """Write rows of frames, shape (n, 4): time, index, late, missed."""
        if len(rows):
            self._recorder.write_rows(FRAMES, rows[:, 0], rows[:, 1:].astype(np.int32))

    def close(self) -> Path:
        """Finish the file and return its path."""
        return self._recorder.close()
