"""The stages of the online pipeline: channel selection, causal filters, references, the filter bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.pipeline.sosbank import SosBank
from volo_decoders.ssvep.filterbank import design_bank

__all__ = ["CommonAverage", "FilterBank", "Select", "SosFilter"]

#: Microvolt per unit. Units that are not volts keep their numbers.
MICROVOLT = {"uV": 1.0, "µV": 1.0, "microvolts": 1.0, "V": 1e6, "volts": 1e6, "mV": 1e3, "nV": 1e-3}
FilterKind = Literal["highpass", "lowpass", "bandpass", "bandstop"]
#: Kinds of channel that carry brain signals.
BRAIN = (ChannelKind.EEG, ChannelKind.SEEG, ChannelKind.ECOG)


class Select:
    """Pick channels by name, convert to float32 microvolt, and hold over samples that are not finite.

    A sample with NaN or infinity in a picked channel takes that channel's last finite value (0 before the first) and
    is marked invalid, so that no later filter is poisoned.

    Parameters
    ----------
    channels : sequence of str or None
        Names, in the order wanted; None takes all brain channels.
    """

    mergeable = True

    def __init__(self, channels: Sequence[str] | None = None) -> None:
        self.channels = channels
        self._columns: NDArray[np.intp] = np.empty(0, np.intp)
        self._factor: NDArray[np.float64] = np.empty(0)
        self._last: NDArray[np.float32] = np.empty(0, np.float32)

    @property
    def settle_s(self) -> float:
        """Nothing to settle."""
        return 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Find the channels; DecoderError WRONG_CHANNELS names those that are missing."""
        names = info.channel_names
        if self.channels is None:
            wanted = [c.name for c in info.channels if c.kind in BRAIN]
            if not wanted:
                raise DecoderError(
                    f"stream {info.stream_id!r} has no EEG, sEEG or ECoG channel",
                    reason=Reason.WRONG_CHANNELS,
                    hint=f"its channels are {', '.join(names) or 'none'}; name the ones to use",
                )
        else:
            wanted = list(self.channels)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DecoderError(
                f"stream {info.stream_id!r} lacks channel {', '.join(missing)}",
                reason=Reason.WRONG_CHANNELS,
                hint=f"it has {', '.join(names)}; connect the missing electrodes or train on this montage",
            )
        self._columns = np.array([names.index(name) for name in wanted], np.intp)
        picked = [info.channels[k] for k in self._columns]
        self._factor = np.array([MICROVOLT.get(c.unit, 1.0) for c in picked])
        self._last = np.zeros(len(picked), np.float32)
        return replace(
            info,
            channels=tuple(replace(c, unit="uV" if c.unit in MICROVOLT else c.unit) for c in picked),
            dtype="float32",
        )

    def push(self, chunk: Chunk) -> Chunk:
        """Return the picked channels, float32."""
        picked = chunk.samples[:, self._columns]
        samples = (picked * self._factor).astype(np.float32)
        valid: NDArray[np.bool_] | None = chunk.valid
        good = np.isfinite(samples)
        if not good.all():
            held = np.vstack([self._last, samples])
            good = np.vstack([np.ones(len(self._last), bool), good])
            rows = np.maximum.accumulate(np.where(good, np.arange(len(held))[:, None], 0), axis=0)
            samples = np.take_along_axis(held, rows, axis=0)[1:]
            finite = np.array(good[1:].all(axis=1), bool)
            valid = finite if valid is None else np.array(valid & finite, bool)
        if len(samples):
            self._last = samples[-1].copy()
        return Chunk(chunk.stream_id, chunk.index, samples, chunk.times, valid)


class SosFilter:
    """A causal Butterworth filter in second-order sections, computed in double precision.

    Parameters
    ----------
    kind : str
        ``"highpass"``, ``"lowpass"``, ``"bandpass"`` or ``"bandstop"``.
    cutoff_hz : sequence of float
        One frequency, or two for band filters.
    order : int
        Order of the prototype.
    """

    mergeable = True

    def __init__(self, kind: FilterKind, cutoff_hz: Sequence[float], order: int = 2) -> None:
        n_wanted = {"highpass": 1, "lowpass": 1, "bandpass": 2, "bandstop": 2}.get(kind)
        if n_wanted is None:
            raise ValueError(f"kind: got {kind!r}, allowed are highpass, lowpass, bandpass, bandstop")
        if len(cutoff_hz) != n_wanted:
            raise ValueError(f"cutoff_hz: got {list(cutoff_hz)}, a {kind} needs {n_wanted}")
        self.kind = kind
        self.cutoff_hz = cutoff_hz
        self.order = order
        self._filter: SosBank | None = None
        self._rate_hz = 0.0

    @property
    def settle_s(self) -> float:
        """Time for the slowest mode to decay to a thousandth."""
        return self._filter.settle_samples / self._rate_hz if self._filter else 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Design for the stream's rate; DecoderError WRONG_RATE if an edge is not below half of it."""
        _check_edges(info, max(self.cutoff_hz))
        edges = self.cutoff_hz[0] if len(self.cutoff_hz) == 1 else list(self.cutoff_hz)
        sos = signal.butter(self.order, edges, self.kind, fs=info.rate_hz, output="sos")
        self._filter, self._rate_hz = SosBank([sos], hop_samples), info.rate_hz
        return info

    def push(self, chunk: Chunk) -> Chunk:
        """Return the filtered samples, float32."""
        if self._filter is None:
            raise ValueError("SosFilter.push: called before reset")
        out = self._filter.filter(chunk.samples.astype(np.float64), chunk.index)[0].astype(np.float32)
        return Chunk(chunk.stream_id, chunk.index, out, chunk.times, chunk.valid)


class CommonAverage:
    """Subtract the mean over channels from each sample."""

    mergeable = True

    @property
    def settle_s(self) -> float:
        """Nothing to settle."""
        return 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Return the description unchanged."""
        return info

    def push(self, chunk: Chunk) -> Chunk:
        """Return the re-referenced samples, float32."""
        x = chunk.samples.astype(np.float64)
        # columns are added one after the other: the sum of a row does not depend on how many rows there are
        mean = sum((x[:, k] for k in range(x.shape[1])), np.zeros(len(x))) / max(1, x.shape[1])
        return Chunk(chunk.stream_id, chunk.index, (x - mean[:, None]).astype(np.float32), chunk.times, chunk.valid)


class FilterBank:
    """Split the signal into sub-bands with causal Chebyshev type I filters; channels expand band after band.

    Parameters
    ----------
    pass_bands_hz : sequence of (float, float)
        Edges of each sub-band (Chen et al. 2015, DOI 10.1088/1741-2560/12/4/046008, method M3: the k-th band passes
        the k-th and all higher harmonics).
    order : int
        Order of the prototype.
    ripple_db : float
        Pass-band ripple.
    cascaded : bool
        Reproduce a widespread error: sub-band k has passed the filters 1 to k. The published TRCA code and its
        descendants filter training data like this. For comparison only.
    """

    mergeable = True

    def __init__(
        self,
        pass_bands_hz: Sequence[Sequence[float]],
        order: int = 4,
        ripple_db: float = 0.5,
        cascaded: bool = False,
    ) -> None:
        if not pass_bands_hz or any(len(band) != 2 or not 0.0 < band[0] < band[1] for band in pass_bands_hz):
            raise ValueError(f"pass_bands_hz: got {pass_bands_hz}, expected pairs of 0 < low < high")
        self.pass_bands_hz = pass_bands_hz
        self.order = order
        self.ripple_db = ripple_db
        self.cascaded = cascaded
        self._banks: list[SosBank] = []
        self._rate_hz = 0.0

    @property
    def settle_s(self) -> float:
        """Time for the slowest mode of all bands to decay to a thousandth."""
        slowest = max((bank.settle_samples for bank in self._banks), default=0.0)
        return slowest / self._rate_hz if self._banks else 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Design for the stream's rate; DecoderError WRONG_RATE if an edge is not below half of it."""
        _check_edges(info, max(band[1] for band in self.pass_bands_hz))
        self._rate_hz = info.rate_hz
        bands = [(low, high) for low, high in self.pass_bands_hz]
        filters = design_bank(info.rate_hz, bands, self.order, self.ripple_db)
        groups = [[sos] for sos in filters] if self.cascaded else [filters]
        self._banks = [SosBank(group, hop_samples) for group in groups]
        channels = tuple(
            Channel(f"b{k}:{c.name}", c.kind, c.unit, c.position) for k in range(len(filters)) for c in info.channels
        )
        return replace(info, channels=channels, dtype="float32")

    def push(self, chunk: Chunk) -> Chunk:
        """Return ``(n_samples, n_bands * n_channels)``, float32, band after band."""
        if not self._banks:
            raise ValueError("FilterBank.push: called before reset")
        x = chunk.samples.astype(np.float64)
        bands: list[NDArray[np.float64]] = []
        for bank in self._banks:
            bands += list(bank.filter(x, chunk.index))
            if self.cascaded:
                x = bands[-1]
        out = np.concatenate(bands, axis=1).astype(np.float32)
        return Chunk(chunk.stream_id, chunk.index, out, chunk.times, chunk.valid)


def _check_edges(info: StreamInfo, highest_hz: float) -> None:
    if not highest_hz < info.rate_hz / 2:
        raise DecoderError(
            f"stream {info.stream_id!r} at {info.rate_hz:g} Hz is too slow for a filter edge at {highest_hz:g} Hz",
            reason=Reason.WRONG_RATE,
            hint=f"choose edges below {info.rate_hz / 2:g} Hz or a faster rate",
        )
