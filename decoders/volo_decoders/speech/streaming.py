"""EEG and envelopes in chunks to attention decisions: conditioning, reconstruction, windows.

Everything is computed on blocks anchored at absolute sample indices, so any chunking of the same samples gives the
same bits on one machine. No threads, no clock, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, StreamInfo
from volo_decoders.pipeline.blocks import Blocker
from volo_decoders.pipeline.stages import BRAIN, Select, SosFilter
from volo_decoders.speech.trf import BackwardTRF, lagged

__all__ = ["BAND_HZ", "HOP_S", "Conditioner", "Reconstructor", "Track"]

Array = NDArray[np.float64]
#: The band that follows speech; EEG and envelopes pass the same causal filter, so its delay cancels.
BAND_HZ = (1.0, 9.0)
HOP_S = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """A stretch of a conditioned signal.

    Attributes
    ----------
    index : int
        Number of its first sample at the common rate.
    times : ndarray, shape (n_samples,)
        Seconds, as the chunks had them.
    samples : ndarray, shape (n_samples, n_channels)
        Double precision.
    valid : ndarray of bool, shape (n_samples,)
        False where it is not to be trusted.
    """

    index: int
    times: Array
    samples: Array
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.times)


class Conditioner:
    """Band-passes a stream and takes every k-th sample, to the rate common to EEG and envelopes.

    Parameters
    ----------
    rate_hz : float
        The common rate; the stream's has to be a whole multiple.
    channels : tuple of str or None
        Which channels; None takes all brain channels, or all if there is none.
    hold_s : float
        Longest gap that is bridged, marked invalid.
    """

    def __init__(self, rate_hz: float = 64.0, channels: tuple[str, ...] | None = None, hold_s: float = 0.04) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.hold_s = hold_s

    def reset(self, info: StreamInfo) -> StreamInfo:
        """Forget everything, take the stream's description and return that of the conditioned one.

        Raises
        ------
        DecoderError
            If the rate is no whole multiple of the common one, or channels are missing.
        """
        step = round(info.rate_hz / self.rate_hz)
        if step < 1 or abs(info.rate_hz - step * self.rate_hz) > 1e-6 * info.rate_hz:
            raise DecoderError(
                f"stream {info.stream_id!r} is sampled at {info.rate_hz:g} Hz",
                reason=Reason.WRONG_RATE,
                hint=f"its rate must be a whole multiple of {self.rate_hz:g} Hz",
            )
        brain = any(c.kind in BRAIN for c in info.channels)
        names = info.channel_names if self.channels is None and not brain else self.channels
        self._info, self._step = info, step
        self._hop = step * round(HOP_S * self.rate_hz)
        self._stages = (Select(names), SosFilter("bandpass", BAND_HZ, 2))
        self._blocker = Blocker(self._hop, round(self.hold_s * info.rate_hz))
        self._unsettled = 0
        out = self._reset_stages()
        return StreamInfo(info.stream_id, info.kind, self.rate_hz, out.channels, "float64", info.source)

    def _reset_stages(self) -> StreamInfo:
        info = self._info
        for stage in self._stages:
            info = stage.reset(info, self._hop)
        return info

    def push(self, chunk: Chunk) -> list[Track]:
        """Take samples (times on the session clock); return the blocks they complete."""
        tracks = []
        for block in self._blocker.push(chunk):
            if block.restart:
                self._reset_stages()
                settle_s = max(stage.settle_s for stage in self._stages)
                self._unsettled = round(self._info.rate_hz * settle_s)
            out = block.chunk
            for stage in self._stages:
                out = stage.push(out)
            valid = np.ones(len(out), bool) if out.valid is None else out.valid.copy()
            unsettled = min(self._unsettled, len(out))
            valid[:unsettled] = False
            self._unsettled -= unsettled
            rows = slice(-out.index % self._step, None, self._step)
            times = np.array(out.times[rows])
            if len(times):
                index = -(-out.index // self._step)
                tracks.append(Track(index, times, out.samples[rows].astype(np.float64), valid[rows]))
        return tracks


class Reconstructor:
    """Reconstructs the envelope from conditioned EEG as it comes; the last lag's worth of EEG is its state.

    Parameters
    ----------
    trf : BackwardTRF
        Fitted.
    """

    def __init__(self, trf: BackwardTRF) -> None:
        self._trf = trf
        self._hop = round(HOP_S * trf.rate_hz)
        self.reset()

    def reset(self) -> None:
        """Forget the EEG before."""
        self._kept: Track | None = None

    def push(self, track: Track) -> list[Track]:
        """Take conditioned EEG; return the blocks of envelope, shape (n_samples, 1), that it completes.

        A block comes out when the EEG has gone on for the last lag after it. An output is valid if all the EEG it
        rests on is. Missing samples start it anew.
        """
        if track.samples.shape[1] != self._trf.n_channels:
            raise ValueError(f"eeg: got {track.samples.shape[1]} channels, expected {self._trf.n_channels}")
        if self._kept is not None and track.index == self._kept.index + len(self._kept):
            track = _join(self._kept, track)
        first, last = self._trf.lags
        blocks = []
        start = -(-track.index // self._hop) * self._hop
        while start + self._hop + last <= track.index + len(track):
            a = start - track.index
            rows = slice(a, a + self._hop + last)
            design = lagged(track.samples[rows], first, last)[: self._hop]
            envelope = design @ self._trf.weights_[1:] + self._trf.weights_[0]
            sound = np.array(sliding_window_view(track.valid[rows], last + 1)[: self._hop].all(axis=1), bool)
            blocks.append(Track(start, track.times[a : a + self._hop], envelope[:, None], sound))
            start += self._hop
        keep = max(0, start - track.index)
        self._kept = Track(track.index + keep, track.times[keep:], track.samples[keep:], track.valid[keep:])
        return blocks


def _join(a: Track, b: Track) -> Track:
    return Track(
        a.index,
        np.concatenate([a.times, b.times]),
        np.concatenate([a.samples, b.samples]),
        np.concatenate([a.valid, b.valid]),
    )
