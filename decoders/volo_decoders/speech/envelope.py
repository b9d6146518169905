"""The envelope of an audio stream, causal and in chunks: band-passes, compression, a smoothing low-pass."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.pipeline.blocks import Blocker

__all__ = ["AudioEnvelope", "band_edges_hz"]


def band_edges_hz(low_hz: float, high_hz: float, n_bands: int) -> NDArray[np.float64]:
    """Return the edges of adjoining bands of equal width on the ear's scale (ERB-rate), shape (n_bands + 1,).

    References
    ----------
    Glasberg & Moore 1990, Hear. Res. 47:103, DOI 10.1016/0378-5955(90)90170-T.
    """
    low, high = (21.4 * math.log10(1.0 + 0.00437 * f) for f in (low_hz, high_hz))
    return np.asarray((10.0 ** (np.linspace(low, high, n_bands + 1) / 21.4) - 1.0) / 0.00437)


class AudioEnvelope:
    """Turns an audio stream into its speech envelope, sample by sample, never looking ahead.

    Each of `n_bands` band-passes (Butterworth, adjoining on the ear's scale: in place of gammatone filters) is
    rectified and compressed with a power law, as loudness is; their mean is smoothed by two first-order low-passes,
    so that it never falls below 0, and taken at the
    samples nearest to the multiples of the output's period. A gap starts it anew.

    Parameters
    ----------
    rate_hz : float
        Rate of the envelope.
    band_hz : tuple of 2 float
        Lowest and highest edge of the bands.
    n_bands : int
        How many.
    exponent : float
        Of the power law.
    lowpass_hz : float
        Corner of each low-pass; below half of `rate_hz`.
    hop_s : float
        Length of the blocks it computes on, so that any chunking gives the same bits.

    References
    ----------
    Biesmans et al. 2017, IEEE Trans. Neural Syst. Rehabil. Eng. 25:402, DOI 10.1109/TNSRE.2016.2571900.
    """

    def __init__(
        self,
        rate_hz: float = 64.0,
        *,
        band_hz: tuple[float, float] = (150.0, 4000.0),
        n_bands: int = 8,
        exponent: float = 0.6,
        lowpass_hz: float = 16.0,
        hop_s: float = 0.05,
    ) -> None:
        if not 0.0 < lowpass_hz < rate_hz / 2.0:
            raise ValueError(f"lowpass_hz: got {lowpass_hz}, it must be between 0 and {rate_hz / 2.0:g}")
        if not (0.0 < band_hz[0] < band_hz[1] and n_bands >= 1 and 0.0 < exponent <= 1.0 and hop_s > 0.0):
            raise ValueError(
                f"AudioEnvelope: got band_hz {band_hz}, n_bands {n_bands}, exponent {exponent}, hop_s {hop_s}; "
                "expected ascending edges, at least 1 band, an exponent from 0 to 1, a hop above 0"
            )
        self.rate_hz = rate_hz
        self.band_hz = band_hz
        self.n_bands = n_bands
        self.exponent = exponent
        self.lowpass_hz = lowpass_hz
        self.hop_s = hop_s

    def reset(self, info: StreamInfo) -> StreamInfo:
        """Take the audio stream's description and return that of the envelope; several channels are averaged.

        Raises
        ------
        DecoderError
            If the audio is sampled too slowly for the bands, or irregularly.
        """
        if info.rate_hz <= 2.0 * self.band_hz[1]:
            raise DecoderError(
                f"stream {info.stream_id!r} is sampled at {info.rate_hz:g} Hz",
                reason=Reason.WRONG_RATE,
                hint=f"audio needs more than {2.0 * self.band_hz[1]:g} Hz",
            )
        edges = band_edges_hz(*self.band_hz, self.n_bands)
        self._bands = [
            signal.butter(2, [edges[k], edges[k + 1]], "bandpass", fs=info.rate_hz, output="sos")
            for k in range(self.n_bands)
        ]
        one = signal.butter(1, self.lowpass_hz, "lowpass", fs=info.rate_hz, output="sos")
        self._smooth = np.concatenate([one, one])  # its response to an impulse has no undershoot
        self._info = info
        self._blocker = Blocker(max(1, round(self.hop_s * info.rate_hz)), 0)
        self._restart()
        channel = Channel("envelope", ChannelKind.AUDIO, "arbitrary")
        return StreamInfo(f"{info.stream_id}-envelope", "envelope", self.rate_hz, (channel,), "float64", info.source)

    def _restart(self) -> None:
        self._band_states = [np.zeros((len(sos), 2)) for sos in self._bands]
        self._smooth_state = np.zeros((len(self._smooth), 2))

    def push(self, chunk: Chunk) -> list[Chunk]:
        """Take audio; return pieces of the envelope, their index counted at the envelope's rate."""
        pieces = []
        for block in self._blocker.push(chunk):
            if block.restart:
                self._restart()
            piece = self._envelope(block.chunk)
            if len(piece):
                pieces.append(piece)
        return pieces

    def _envelope(self, chunk: Chunk) -> Chunk:
        sound = chunk.samples.astype(np.float64).mean(axis=1)
        loudness = np.zeros(len(sound))
        for k, sos in enumerate(self._bands):
            band, self._band_states[k] = signal.sosfilt(sos, sound, zi=self._band_states[k])
            loudness += np.abs(band) ** self.exponent
        smooth, self._smooth_state = signal.sosfilt(self._smooth, loudness / self.n_bands, zi=self._smooth_state)
        step = self._info.rate_hz / self.rate_hz
        first = math.ceil((chunk.index - 0.5) / step)
        last = math.ceil((chunk.stop - 0.5) / step)
        picked = np.arange(first, last)
        rows = np.floor(picked * step + 0.5).astype(np.int64) - chunk.index
        keep = (rows >= 0) & (rows < len(chunk))
        picked, rows = picked[keep], rows[keep]
        index = int(picked[0]) if len(picked) else max(first, 0)
        valid = None if chunk.valid is None else chunk.valid[rows]
        return Chunk(chunk.stream_id, index, smooth[rows][:, None], chunk.times[rows], valid)
