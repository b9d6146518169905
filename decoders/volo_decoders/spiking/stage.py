"""The decoder in the stream: one step a bin, the states carried from chunk to chunk, started anew after a gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.spiking.runner import StepModel

__all__ = ["SpikingDecoder"]


class SpikingDecoder:
    """A stage from spike counts to what the network decodes, bin by bin.

    Any chunking gives the same bits, because every bin is a step of its own. A bin that is missing, marked invalid or
    not finite starts the network anew, for its states would be those of another moment; a bin that is there but not to
    be trusted gives NaN. The first bins after a start are marked invalid while the states settle.

    Parameters
    ----------
    model : str
        File that ``volo spiking train`` wrote.

    Attributes
    ----------
    n_restarts : int
        How often lost or untrusted bins started the network anew since `reset`.
    n_spikes : ndarray of int64, shape (n_units,)
        Spikes of each unit since `reset`.

    Raises
    ------
    FileError, DecoderError
        If the file is missing, damaged or something else.
    """

    mergeable = True

    def __init__(self, model: str) -> None:
        self.model = model
        self._model = StepModel(Path(model))
        self.contract = self._model.contract
        self.n_restarts = 0
        self.n_spikes = np.zeros(self.contract.n_units, np.int64)
        self._states: dict[str, NDArray[np.float32]] = self._model.start()
        self._age = 0
        self._next_index: int | None = None

    @property
    def settle_s(self) -> float:
        """How long after a start the output is not to be trusted, seconds."""
        return self.contract.settle_bins / self.contract.rate_hz

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Forget everything and return the description of the output.

        Raises
        ------
        DecoderError
            If channels, unit or rate are not those it was trained on.
        """
        self.contract.require(info)
        self._begin()
        self._next_index = None
        self.n_restarts = 0
        self.n_spikes[:] = 0
        unit = self.contract.output_unit
        channels = tuple(Channel(name, ChannelKind.AUX, unit) for name in self.contract.outputs)
        return replace(info, kind="kinematics", channels=channels, dtype="float32")

    def push(self, chunk: Chunk) -> Chunk:
        """Decode the bins of a chunk.

        Raises
        ------
        ValueError
            If the chunk begins before the bins that came already.
        """
        if self._next_index is not None and chunk.index != self._next_index:
            if chunk.index < self._next_index:
                raise ValueError(f"chunk: got index {chunk.index}, expected {self._next_index} or a gap behind it")
            self._restart()
        self._next_index = chunk.stop
        good = np.isfinite(chunk.samples).all(axis=1)
        if chunk.valid is not None:
            good &= chunk.valid
        values = np.full((len(chunk), len(self.contract.outputs)), np.nan, np.float32)
        settled = np.zeros(len(chunk), np.bool_)
        for row, counts in enumerate(chunk.samples):
            if good[row]:
                step = self._model.step(counts, self._states)
                self._states = step.states
                self.n_spikes += step.spikes.astype(np.int64)
                settled[row] = self._age >= self.contract.settle_bins
                self._age += 1
                values[row] = step.y
            else:
                self._restart()
        return Chunk(chunk.stream_id, chunk.index, values, chunk.times, None if settled.all() else settled)

    def _begin(self) -> None:
        self._states = self._model.start()
        self._age = 0

    def _restart(self) -> None:
        """Start anew, and count it; a run of lost bins counts once."""
        if self._age:
            self.n_restarts += 1
        self._begin()
