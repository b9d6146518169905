"""The simulated participant's head: samples in, one after the other; markers are all it ever learns of the screen.

It is simulated. What it proves is plumbing: that stamps, markers, windows and files fit together. It never proves that
a decoder works on people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.background import Background
from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES
from volo_acquisition.synthetic.imagery import PLACES, SensorimotorRhythms, has_sensorimotor_channels
from volo_acquisition.synthetic.imagery_parameters import ImageryParameters, imagery_of
from volo_acquisition.synthetic.parameters import ParticipantParameters
from volo_acquisition.synthetic.response import Response
from volo_acquisition.synthetic.scalp import DEFAULT_CHANNELS, positions
from volo_acquisition.types import Marker

__all__ = ["COUNTER_MODULUS", "DEFAULT_CHANNELS", "Head"]

#: The counter channel wraps here: the largest range of whole numbers that float32 holds exactly.
COUNTER_MODULUS = 2**24


class Head:
    """Samples of a simulated participant.

    The same samples asked for in any chunks, with the same markers told before the samples they bear on, are the same
    to the bit. A marker bears on nothing earlier than the visual latency after its time, so one that is told that late
    is still in time.

    Parameters
    ----------
    parameters : ParticipantParameters
        Whose head.
    seed : int
        Of this run: the same person thinks of something else every time.
    rate_hz : float
        Nominal sampling rate, 64 Hz or more.
    channel_names : sequence of str
        10-10 names.
    imagery : ImageryParameters or None
        Of the sensorimotor rhythms, which are there if C3, Cz and C4 all are among the channels; None takes those that
        belong to `parameters`.
    counter : bool
        Whether a last column counts samples (absolute index modulo 2**24), so that loss is visible in any copy.

    Raises
    ------
    ValueError
        If a channel is unknown, the rate too low or the seed negative.
    """

    def __init__(
        self,
        parameters: ParticipantParameters,
        *,
        seed: int,
        rate_hz: float = 250.0,
        channel_names: Sequence[str] = DEFAULT_CHANNELS,
        imagery: ImageryParameters | None = None,
        counter: bool = True,
    ) -> None:
        if not 64.0 <= rate_hz <= 100_000.0:
            raise ValueError(f"Head: got rate_hz {rate_hz}, allowed is 64 to 100000 Hz")
        if not 0 <= seed < 2**64:
            raise ValueError(f"Head: got seed {seed}, allowed is 0 to 2**64 - 1")
        self.parameters = parameters
        self.rate_hz = rate_hz
        self.channel_names = tuple(channel_names)
        self.counter = counter
        where = positions(self.channel_names)
        self._background = Background(parameters, rate_hz, where, seed)
        self._response = Response(parameters, where, seed)
        self._rhythms: SensorimotorRhythms | None = None
        if has_sensorimotor_channels(self.channel_names):
            self._rhythms = SensorimotorRhythms(imagery or imagery_of(parameters), self.channel_names, rate_hz, seed)
        self._rhythm_block: NDArray[np.float64] = np.empty((BLOCK_SAMPLES, 2 * len(PLACES)))
        self._block: NDArray[np.float64] = np.empty((BLOCK_SAMPLES, len(where)))
        self._block_number = -1
        self._next = 0

    def tell(self, marker: Marker) -> None:
        """Let the participant see `marker`: attended target, imagined movement, onset, offset; others are ignored."""
        self._response.tell(marker)
        if self._rhythms is not None:
            self._rhythms.tell(marker)

    def generate(self, start_index: int, times: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return consecutive samples.

        Parameters
        ----------
        start_index : int
            Absolute index of the first; not before the end of the last call. What is left out is lost.
        times : ndarray, shape (n_samples,)
            Session time of each sample, seconds, increasing.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_channels), or with the counter (n_samples, n_channels + 1)
            Microvolt.

        Raises
        ------
        ValueError
            If `start_index` lies in the past, or `times` is not one-dimensional.
        """
        if start_index < self._next:
            raise ValueError(f"Head.generate: got start_index {start_index}, the next sample is {self._next}")
        if times.ndim != 1:
            raise ValueError(f"Head.generate: got times of shape {times.shape}, expected (n_samples,)")
        stop = start_index + len(times)
        samples = np.empty((len(times), len(self.channel_names)))
        index = start_index
        while index < stop:
            number, offset = divmod(index, BLOCK_SAMPLES)
            if number != self._block_number:
                self._block, self._block_number = self._background.block(number), number
                if self._rhythms is not None:
                    self._rhythm_block = self._rhythms.block(number)
            n = min(stop - index, BLOCK_SAMPLES - offset)
            rows = slice(index - start_index, index - start_index + n)
            samples[rows] = self._block[offset : offset + n]
            if self._rhythms is not None:
                self._rhythms.add_to(samples[rows], self._rhythm_block[offset : offset + n], times[rows])
            index += n
        self._response.add_to(samples, times)
        self._next = stop
        out = np.empty((len(times), samples.shape[1] + self.counter), dtype=np.float32)
        out[:, : samples.shape[1]] = samples
        if self.counter:
            out[:, -1] = np.arange(start_index, stop) % COUNTER_MODULUS
        return out
