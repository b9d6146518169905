"""A stream that goes on in another process: its indices continue where the dead one stopped, and the loss is counted.

Where the stream has a counter that went on counting, the loss is exact; several turns of a counter, and streams
without one, go by the stamps. A stream that came back with another rate or other channels is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.types import Chunk, Correction, Event, EventKind, Item, StreamInfo
from volo_app.roles.messages import LastRow

__all__ = ["Resuming", "check_same_streams"]

#: By how much the count of lost samples may differ from what the stamps say before the stamps are believed, seconds.
AGREE_S = 0.25


def check_same_streams(before: Mapping[str, tuple[StreamInfo, LastRow]], infos: Sequence[StreamInfo]) -> None:
    """Refuse streams that are not those of the process before.

    Raises
    ------
    DeviceError
        If a stream is gone (NO_DATA), or has another rate (WRONG_RATE), other channels (WRONG_CHANNELS) or units
        (WRONG_UNIT).
    """
    found = {info.stream_id: info for info in infos}
    for stream_id, (old, _) in before.items():
        new = found.get(stream_id)
        if new is None:
            raise DeviceError(f"the stream {stream_id} did not come back", reason=Reason.NO_DATA)
        pairs = (
            (Reason.WRONG_RATE, f"{old.rate_hz:g} Hz", f"{new.rate_hz:g} Hz"),
            (Reason.WRONG_CHANNELS, f"{old.n_channels} channels", f"{new.n_channels} channels"),
            (Reason.WRONG_CHANNELS, ", ".join(old.channel_names), ", ".join(new.channel_names)),
            (Reason.WRONG_UNIT, [c.unit for c in old.channels], [c.unit for c in new.channels]),
            (Reason.WRONG_CHANNELS, old.dtype, new.dtype),
        )
        for reason, was, now in pairs:
            if was != now:
                raise DeviceError(
                    f"the stream {stream_id} came back with {now}, before it were {was}",
                    reason=reason,
                    hint="set the device as it was, or start a new recording",
                )


class Resuming:
    """Moves the indices of what a new process yields behind those of the process before it.

    Parameters
    ----------
    before : Mapping of str to (StreamInfo, LastRow)
        What the streams were and where they stood.
    """

    def __init__(self, before: Mapping[str, tuple[StreamInfo, LastRow]]) -> None:
        self._before = dict(before)
        self._shift: dict[str, int] = {}
        self._held: dict[str, list[Event | Correction]] = {}

    def take(self, items: Sequence[Item]) -> list[Item]:
        """Return `items` on the continued index, the first chunk of each stream with the GAP before it.

        What tells of a stream before its first chunk is held back until that chunk says where it belongs.
        """
        if not self._before:
            return list(items)
        moved: list[Item] = []
        for item in items:
            stream_id = getattr(item, "stream_id", "")
            if stream_id not in self._before:
                moved.append(item)
            elif isinstance(item, Chunk):
                if stream_id not in self._shift and len(item):
                    gap = self._join(item)
                    held = [replace(each, index=each.index + self._shift[stream_id]) for each in self._held_of(item)]
                    moved += [*held, gap] if gap is not None else held
                shift = self._shift.get(stream_id, 0)
                moved.append(Chunk(stream_id, item.index + shift, item.samples, item.times, item.valid))
            elif isinstance(item, Event | Correction):
                if stream_id in self._shift:
                    moved.append(replace(item, index=item.index + self._shift[stream_id]))
                else:
                    self._held.setdefault(stream_id, []).append(item)
        return moved

    def _held_of(self, chunk: Chunk) -> list[Event | Correction]:
        return self._held.pop(chunk.stream_id, [])

    def _join(self, chunk: Chunk) -> Event | None:
        """Decide where the first chunk belongs; return the GAP before it, if there is one."""
        info, last = self._before[chunk.stream_id]
        lost, detail = _lost(info, last, chunk)
        self._shift[chunk.stream_id] = last.next_index + lost - chunk.index
        if lost == 0:
            return None
        detail = f"the source's process was restarted; {detail}"
        return Event(EventKind.GAP, chunk.stream_id, last.next_index, float(chunk.times[0]), lost, detail)


def _lost(info: StreamInfo, last: LastRow, chunk: Chunk) -> tuple[int, str]:
    """Return how many samples are missing between the last row and the chunk, and how that is known."""
    if not info.rate_hz:
        return 0, ""
    by_stamps = max(0, round((float(chunk.times[0]) - last.time) * info.rate_hz) - 1)
    counters = [n for n, channel in enumerate(info.channels) if channel.kind.value == "counter"]
    if counters and last.count is not None:
        count = float(np.float64(chunk.samples[0, counters[0]]))
        counted = count - last.count - 1.0
        if counted >= 0.0 and counted.is_integer() and abs(counted - by_stamps) <= AGREE_S * info.rate_hz + 1.0:
            return int(counted), "counted"
    return by_stamps, "estimated from the stamps"
