"""The one pipeline of live operation, replay, calibration and offline evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, Marker, StreamInfo
from volo_decoders.base import AdaptiveDecoder, Decoder
from volo_decoders.pipeline.base import Stage, TellsReason
from volo_decoders.pipeline.blocks import Blocker
from volo_decoders.pipeline.windower import Windower, WindowSpec
from volo_decoders.types import Prediction, Window

__all__ = ["OnlinePipeline"]

#: Longest stretch that mergeable stages get at once, seconds: windows are cut out of a buffer of bounded length.
MERGE_S = 1.0


class OnlinePipeline:
    """Stages, then windows, then a decoder. No threads, no clock, no input or output.

    Stages compute on blocks anchored at the absolute sample index, so that any chunking of the same samples gives the
    same bits on one machine.

    Parameters
    ----------
    stages : sequence of Stage
        In order.
    window : WindowSpec
        Where windows lie.
    decoder : Decoder or None
        Fitted; None to collect windows only.
    decoder_id : str
        Goes into each prediction.
    hop_s : float
        Length of the blocks the stages compute on, seconds.
    hold_s : float
        Longest gap that is bridged by repeating the last sample, marked invalid.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        window: WindowSpec,
        decoder: Decoder | None = None,
        *,
        decoder_id: str = "",
        hop_s: float = 0.02,
        hold_s: float = 0.04,
    ) -> None:
        self._stages = list(stages)
        self._windower = Windower(window)
        self._decoder = decoder
        self._decoder_id = decoder_id
        self._hop_s = hop_s
        self._hold_s = hold_s
        self._info: StreamInfo | None = None
        self._last: Window | None = None
        self._refused: list[tuple[Window, str]] = []
        #: Asked before each decode; False leaves the window out (live: it came too late; replay: it was left out).
        self.gate: Callable[[Window], bool] | None = None

    def reset(self, info: StreamInfo) -> StreamInfo:
        """Forget everything, take the stream's description, and return that of the processed stream.

        Raises
        ------
        DecoderError
            If the stream lacks what a stage needs.
        """
        if info.rate_hz <= 0.0:
            raise DecoderError(
                f"stream {info.stream_id!r} has an irregular rate",
                reason=Reason.WRONG_RATE,
                hint="choose a stream that is sampled regularly",
            )
        self._info, self._last = info, None
        self._refused = []
        self._hop = hop = max(1, round(self._hop_s * info.rate_hz))
        merge = round(MERGE_S * info.rate_hz) if all(stage.mergeable for stage in self._stages) else 0
        self._blocker = Blocker(hop, round(self._hold_s * info.rate_hz), merge_samples=merge)
        processed = self._reset_stages()
        self._unsettled = 0
        self._windower.reset(processed.rate_hz, processed.n_channels)
        self._classes = tuple(str(c) for c in self._decoder.classes_) if self._decoder is not None else ()
        return processed

    def _reset_stages(self) -> StreamInfo:
        if self._info is None:
            raise ValueError("OnlinePipeline: push called before reset")
        info = self._info
        for stage in self._stages:
            info = stage.reset(info, self._hop)
        return info

    @property
    def settle_s(self) -> float:
        """How long after a reset windows are marked invalid, seconds: the slowest stage's settling time."""
        return max((stage.settle_s for stage in self._stages), default=0.0)

    def take_lost(self) -> list[Marker]:
        """Return, once, the onset markers whose samples are not known any more (or never were)."""
        lost, self._windower.lost = self._windower.lost, []
        return lost

    def awaits(self, marker: Marker) -> bool:
        """Return whether a marker would start a trial among the samples that came already."""
        return self._windower.awaits(marker)

    def close(self, group: int) -> None:
        """Yield nothing more of trial `group`; a decoder that learns while it is used learns from its last window."""
        self._windower.close(group)
        last, self._last = self._last, None
        decoder = self._decoder
        if last is not None and last.group == group and isinstance(decoder, AdaptiveDecoder) and decoder.adapts:
            decoder.adapt(last.samples)

    def windows(self, chunk: Chunk, markers: Sequence[Marker] = ()) -> Iterator[Window]:
        """Take samples (times on the session clock) and markers; yield the windows that are complete."""
        for marker in markers:
            self._windower.mark(marker)
        for block in self._blocker.push(chunk):
            if block.restart:
                self._unsettled = round(self._reset_stages().rate_hz * self.settle_s)
            processed = block.chunk
            for stage in self._stages:
                processed = stage.push(processed)
            unsettled = min(self._unsettled, len(processed))
            self._unsettled -= unsettled
            self._windower.push(processed, unsettled)
            yield from self._windower.ready()
        yield from self._windower.ready()

    def stream(self, chunk: Chunk, markers: Sequence[Marker] = ()) -> Iterator[Prediction]:
        """Like `push`, one prediction at a time, so that a closed trial's later windows are never computed."""
        for window in self.windows(chunk, markers):
            if self._decoder is None:
                continue
            if window.valid_fraction < self._decoder.least_valid_fraction:
                self._refused.append((window, self._why_invalid(window)))
                continue
            if self.gate is not None and not self.gate(window):
                continue
            yield self.predict(window)

    def take_refused(self) -> list[tuple[Window, str]]:
        """Return, once, the windows that held too few valid samples, each with the reason."""
        refused, self._refused = self._refused, []
        return refused

    def _why_invalid(self, window: Window) -> str:
        start = window.stop_index - window.samples.shape[1]
        told = [stage.reason(start, window.stop_index) for stage in self._stages if isinstance(stage, TellsReason)]
        share = f"{1.0 - window.valid_fraction:.0%} of the window is not to be trusted"
        return "; ".join([*filter(None, told), share])

    def predict(self, window: Window) -> Prediction:
        """Decode one window."""
        if self._decoder is None:
            raise ValueError("OnlinePipeline.predict: there is no decoder")
        self._last = window
        scores = self._decoder.decision_function(window.samples[None])[0]
        return Prediction(
            window.stop_index,
            window.stop_time,
            window.group,
            window.samples.shape[1],
            self._classes,
            scores,
            self._decoder_id,
        )

    def push(self, chunk: Chunk, markers: Sequence[Marker] = ()) -> list[Prediction]:
        """Take samples (times on the session clock) and markers; return the predictions they complete."""
        return list(self.stream(chunk, markers))
