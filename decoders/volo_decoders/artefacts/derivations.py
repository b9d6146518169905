"""Spatial derivations: differences of pairs, and of a channel and its neighbours' mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, StreamInfo

__all__ = ["Bipolar", "Laplacian"]


class _Derivation:
    """Weighted sums of channels, one output after the other."""

    mergeable = True

    def _terms(self) -> list[tuple[str, list[tuple[str, float]]]]:
        """Return the name of each output, and the channels and weights it is made of."""
        raise ValueError("_terms: a derivation must say what it is made of")

    @property
    def settle_s(self) -> float:
        """Nothing to settle."""
        return 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Find the channels; DecoderError WRONG_CHANNELS names those that are missing."""
        names, terms = info.channel_names, self._terms()
        wanted = dict.fromkeys(name for _, parts in terms for name, _ in parts)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise DecoderError(
                f"stream {info.stream_id!r} lacks channel {', '.join(missing)}",
                reason=Reason.WRONG_CHANNELS,
                hint=f"it has {', '.join(names)}; connect the missing electrodes or change the derivation",
            )
        self._sums = [[(names.index(name), weight) for name, weight in parts] for _, parts in terms]
        channels = tuple(
            replace(info.channels[names.index(parts[0][0])], name=name, position=None) for name, parts in terms
        )
        return replace(info, channels=channels, dtype="float32")

    def push(self, chunk: Chunk) -> Chunk:
        """Return the derivations, float32."""
        x = chunk.samples.astype(np.float64)
        out: NDArray[np.float64] = np.zeros((len(x), len(self._sums)))
        for column, parts in enumerate(self._sums):
            for k, weight in parts:
                out[:, column] += weight * x[:, k]
        return Chunk(chunk.stream_id, chunk.index, out.astype(np.float32), chunk.times, chunk.valid)


class Bipolar(_Derivation):
    """Differences of pairs of channels, named ``first-second``.

    Parameters
    ----------
    pairs : sequence of (str, str)
        The second is subtracted from the first.
    """

    def __init__(self, pairs: Sequence[Sequence[str]]) -> None:
        if not pairs or any(len(pair) != 2 or pair[0] == pair[1] for pair in pairs):
            raise ValueError(f"pairs: got {pairs}, expected pairs of different channels")
        self.pairs = pairs

    def _terms(self) -> list[tuple[str, list[tuple[str, float]]]]:
        return [(f"{first}-{second}", [(first, 1.0), (second, -1.0)]) for first, second in self.pairs]


class Laplacian(_Derivation):
    """Each centre less the mean of its neighbours; centres keep their names (Hjorth 1975).

    Parameters
    ----------
    centres : sequence of str
        Channels to derive.
    neighbours : sequence of sequences of str
        For each centre, the channels around it.

    References
    ----------
    Hjorth 1975, Electroencephalogr. Clin. Neurophysiol. 39:526, DOI 10.1016/0013-4694(75)90056-5.
    """

    def __init__(self, centres: Sequence[str], neighbours: Sequence[Sequence[str]]) -> None:
        if not centres or len(centres) != len(neighbours):
            raise ValueError(f"neighbours: got {len(neighbours)} lists for {len(centres)} centres, one each is needed")
        bad = [c for c, around in zip(centres, neighbours, strict=True) if not around or c in around]
        if bad:
            raise ValueError(f"neighbours: got none, or the centre itself, for {', '.join(bad)}")
        self.centres = centres
        self.neighbours = neighbours

    def _terms(self) -> list[tuple[str, list[tuple[str, float]]]]:
        return [
            (centre, [(centre, 1.0), *((name, -1.0 / len(around)) for name in around)])
            for centre, around in zip(self.centres, self.neighbours, strict=True)
        ]
