"""A recording of spike counts decoded as it would be live: through a source, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.sources.replay import ReplaySettings, ReplaySource
from volo_acquisition.types import Chunk
from volo_decoders.spiking.stage import SpikingDecoder

__all__ = ["Decoded", "decode_recording"]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What came out of a recording.

    Attributes
    ----------
    index : ndarray of int64, shape (n_bins,)
        Absolute indices of the bins.
    values : ndarray of float32, shape (n_bins, n_outputs)
        What was decoded.
    valid : ndarray of bool, shape (n_bins,)
        False while the network settled, and where a bin was not to be trusted.
    spikes_per_bin : float
        Mean number of spikes of the whole layer in a bin.
    n_restarts : int
        How often a gap started the network anew.
    bin_s : ndarray of float64, shape (n_chunks,)
        Computing time of a bin in each chunk, seconds.
    """

    index: NDArray[np.int64]
    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    spikes_per_bin: float
    n_restarts: int
    bin_s: NDArray[np.float64]


def decode_recording(
    path: Path, decoder: SpikingDecoder, *, stream: str, chunk_bins: int = 1, clock: Clock | None = None
) -> Decoded:
    """Play a recording as fast as it goes and decode every bin when it comes.

    Parameters
    ----------
    path : Path
        An XDF file.
    decoder : SpikingDecoder
        It is reset first.
    stream : str
        Which stream of the recording holds the counts.
    chunk_bins : int
        Bins a chunk; the values do not depend on it.
    clock : Clock or None
        For the computing times; None is the session clock.

    Raises
    ------
    FileError, DeviceError
        If the recording cannot be read or has no such stream.
    DecoderError
        If the stream does not fit the decoder.
    """
    stopwatch = SessionClock() if clock is None else clock
    source = ReplaySource(ReplaySettings(str(path), 0.0, chunk_bins, stream), stopwatch)
    index, values, valid, times = [], [], [], []
    try:
        (info,) = source.open()
        decoder.reset(info)
        while not source.exhausted:
            for item in source.read(0.0):
                if isinstance(item, Chunk):
                    start_s = stopwatch.now()
                    out = decoder.push(item)
                    times.append((stopwatch.now() - start_s) / max(1, len(item)))
                    index.append(np.arange(out.index, out.stop, dtype=np.int64))
                    values.append(out.samples)
                    valid.append(np.ones(len(out), np.bool_) if out.valid is None else out.valid)
    finally:
        source.close()
    n_outputs = len(decoder.contract.outputs)
    fed = sum(int(np.isfinite(part).all(axis=1).sum()) for part in values)
    return Decoded(
        np.concatenate([np.empty(0, np.int64), *index]),
        np.concatenate([np.empty((0, n_outputs), np.float32), *values]),
        np.concatenate([np.empty(0, np.bool_), *valid]),
        float(decoder.n_spikes.sum()) / fed if fed else 0.0,
        decoder.n_restarts,
        np.array(times),
    )
