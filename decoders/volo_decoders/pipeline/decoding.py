"""From the items of a source to predictions and decisions: the part that live and replay share to the bit."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection

from volo_acquisition.clockmap import ClockMap
from volo_acquisition.types import Chunk, Correction, Event, EventKind, Item, Marker, StreamInfo
from volo_decoders.pipeline.online import OnlinePipeline
from volo_decoders.pipeline.stopping import Accumulator
from volo_decoders.types import Decision, Prediction, Window

__all__ = ["LATE_MARKER", "Decoding", "Fingerprint"]

#: The detail of a LATE event about an onset marker: this and the marker's label.
LATE_MARKER = "marker "


class Fingerprint:
    """A running SHA-256 over stop indices, classes, scores and labels; nothing of the wall clock enters."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.n_predictions = 0
        self.n_decisions = 0

    def add(self, result: Prediction | Decision) -> None:
        """Take a prediction or a decision into account."""
        if isinstance(result, Prediction):
            self._hash.update(struct.pack("<cqqq", b"P", result.stop_index, result.group, result.n_samples))
            self._hash.update("\x1f".join(result.classes).encode())
            self._hash.update(result.scores.astype("<f8").tobytes())
            self.n_predictions += 1
        else:
            self._hash.update(struct.pack("<cqqq", b"D", result.stop_index, result.group, result.n_windows))
            self._hash.update(b"\x00" if result.label is None else b"\x01" + result.label.encode())
            self.n_decisions += 1

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


class Decoding:
    """A pipeline and an accumulator fed with a source's items.

    A decision closes its trial: later windows of it are neither computed nor recorded, live and in replay.

    Parameters
    ----------
    pipeline : OnlinePipeline
        With a fitted decoder.
    accumulator : Accumulator
        Turns predictions into decisions.
    skipped : collection of (int, int)
        Stop index and trial of windows that were left out live because they came too late; replay leaves them out.
    """

    def __init__(
        self, pipeline: OnlinePipeline, accumulator: Accumulator, skipped: Collection[tuple[int, int]] = ()
    ) -> None:
        self.pipeline = pipeline
        self.fingerprint = Fingerprint()
        self._accumulator = accumulator
        self._clock_map = ClockMap()
        self._markers: list[Marker] = []
        self._stream_id = ""
        self._skipped = frozenset(skipped)
        self._told: list[Event] = []
        self._latest = float("-inf")
        pipeline.gate = self._gate

    def reset(self, info: StreamInfo) -> None:
        """Take the description of the stream to decode; DecoderError if it does not fit."""
        self._stream_id = info.stream_id
        self.pipeline.reset(info)

    def skip_before(self, time_s: float) -> None:
        """Leave out windows that ended before this session time, until told otherwise: they came too late."""
        self._latest = time_s

    def _gate(self, window: Window) -> bool:
        if (window.stop_index, window.group) in self._skipped:
            return False
        if window.stop_time < self._latest:
            self._told.append(
                Event(EventKind.SKIP, self._stream_id, window.stop_index, window.stop_time, window.group, "too late")
            )
            return False
        return True

    def process(self, item: Item) -> list[Prediction | Decision | Event]:
        """Take one item; return what it leads to, in order."""
        match item:
            case Correction():
                self._clock_map.add(item)
            case Marker():
                self._markers.append(item)
            case Chunk() if item.stream_id == self._stream_id:
                return self._decode(item)
        return []

    def _decode(self, chunk: Chunk) -> list[Prediction | Decision | Event]:
        markers, self._markers = self._markers, []
        results: list[Prediction | Decision | Event] = []
        for prediction in self.pipeline.stream(self._clock_map.apply(chunk), markers):
            self._tell(results)
            self._abstain(results)
            results.append(prediction)
            self.fingerprint.add(prediction)
            decision = self._accumulator.update(prediction)
            if decision is not None:
                results.append(decision)
                self.fingerprint.add(decision)
                self.pipeline.close(prediction.group)
        self._abstain(results)
        self._told += [self._late(marker) for marker in self.pipeline.take_lost()]
        self._tell(results)
        return results

    def _abstain(self, results: list[Prediction | Decision | Event]) -> None:
        """Close the trials whose longest window cannot be trusted, by decisions without a label."""
        for window, reason in self.pipeline.take_refused():
            if window.samples.shape[1] < self._accumulator.longest:
                continue  # a longer one may hold enough
            decision = Decision(window.stop_time, window.stop_index, None, 0.0, 0, window.group, reason)
            results.append(decision)
            self.fingerprint.add(decision)
            self.pipeline.close(window.group)

    def finish(self) -> list[Event]:
        """Tell, at the end of a run, of the onset markers that came after the last chunk; replay leaves them out."""
        markers, self._markers = self._markers, []
        return [self._late(marker) for marker in markers if self.pipeline.awaits(marker)]

    def _late(self, marker: Marker) -> Event:
        """Return the event that names a marker by its time and label: that marker starts no trial."""
        return Event(EventKind.LATE, self._stream_id, 0, marker.time, 0, f"{LATE_MARKER}{marker.label}")

    def _tell(self, results: list[Prediction | Decision | Event]) -> None:
        results += self._told
        self._told.clear()
