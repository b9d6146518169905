"""The traces on the desk: the last seconds of each channel, filtered for the eye only. No Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

from volo_app.desk.messages import StreamView

__all__ = ["SCALES", "TraceBuffer"]

#: Half the height of a trace's lane, in the stream's unit; the least that holds the signal is taken.
SCALES = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
#: Pass band of the display filter, Hz.
BAND_HZ = (1.0, 40.0)
#: Rate of the points drawn, at most, Hz.
DRAWN_HZ = 250.0


class TraceBuffer:
    """Keeps the newest samples of a stream, filtered from 1 to 40 Hz.

    Parameters
    ----------
    view : StreamView
        The stream.
    seconds : float
        How much is kept.
    max_channels : int
        Only so many channels, the first, are kept.
    """

    def __init__(self, view: StreamView, seconds: float = 5.0, max_channels: int = 16) -> None:
        if not seconds > 0.0:
            raise ValueError(f"seconds: got {seconds}, it must be above 0")
        self.view = view
        self.seconds = seconds
        self.channels = view.channels[:max_channels]
        self._stride = max(1, int(view.rate_hz // DRAWN_HZ))
        self._rows = np.full((max(2, round(seconds * view.rate_hz)), len(self.channels)), np.nan, np.float32)
        top_hz = min(BAND_HZ[1], 0.45 * view.rate_hz)
        self._sos = butter(2, (BAND_HZ[0], top_hz), btype="bandpass", fs=view.rate_hz, output="sos")
        self._state: NDArray[np.float64] | None = None
        self._n = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Append samples, shape (n_samples, n_channels); what is not finite is drawn as 0."""
        if samples.size == 0:
            return
        if samples.shape[1] < len(self.channels):
            raise ValueError(f"samples: got {samples.shape[1]} channels, the stream has {len(self.view.channels)}")
        finite = np.nan_to_num(samples[:, : len(self.channels)].astype(np.float64), posinf=0.0, neginf=0.0)
        if self._state is None:
            self._state = sosfilt_zi(self._sos)[:, :, None] * finite[0]
        filtered, self._state = sosfilt(self._sos, finite, axis=0, zi=self._state)
        size = len(self._rows)
        newest = filtered[-size:]
        at = (self._n + len(filtered) - len(newest) + np.arange(len(newest))) % size
        self._rows[at] = newest
        self._n += len(filtered)

    @property
    def times(self) -> NDArray[np.float64]:
        """Times of the points drawn, the newest at 0, seconds."""
        size = len(self._rows)
        return (np.arange(size)[:: self._stride] - (size - 1)) / self.view.rate_hz

    def lanes(self) -> NDArray[np.float32]:
        """Return the traces in their lanes, shape (n_channels, n_points).

        The first channel is around ``n_channels - 1``, the last around 0; a lane is 1 high. What has not come yet is
        NaN.
        """
        size = len(self._rows)
        rows = np.roll(self._rows, -(self._n % size), axis=0)[:: self._stride]
        lanes = np.arange(len(self.channels))[::-1]
        shown: NDArray[np.float32] = (np.clip(rows / (2.0 * self.scale), -0.75, 0.75) + lanes).T.astype(np.float32)
        return shown

    @property
    def scale(self) -> float:
        """Half the height of a lane, in the stream's unit: the least scale that holds 99 % of what is shown."""
        seen = np.abs(self._rows[np.isfinite(self._rows)])
        if not seen.size:
            return SCALES[3]
        needed = float(np.quantile(seen, 0.99))
        return next((scale for scale in SCALES if scale >= needed), SCALES[-1])
