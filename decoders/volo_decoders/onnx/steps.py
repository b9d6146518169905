"""An exported file in onnxruntime: one call a hop, states kept between calls. The whole of what a host must do."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, Reason
from volo_decoders.onnx.gate import check_model
from volo_decoders.onnx.graph import NEXT
from volo_decoders.onnx.session import LimitedSession
from volo_decoders.onnx.testvector import noise_of_integers

__all__ = ["Answer", "Steps"]

#: Largest difference from the scores in the file, relative to the largest of them, at which it is still trusted.
TOLERANCE = 1e-5
#: Scores, shape (n_classes,); number of the window length they belong to, 0 for none; validity, shape (hop,).
Answer = tuple[NDArray[np.float64], int, NDArray[np.bool_]]


class Steps:
    """A checked model with its states, on one thread.

    Parameters
    ----------
    data : bytes
        The file. It passes the gate (`gate.check_model`), and then must give the scores that it was exported with.
    where : str
        Its name, for messages.
    check : bool
        Whether the test scores are compared; only the exporter, which computes them, does without.

    Raises
    ------
    DecoderError
        If the file is refused, or computes something else than was exported.
    """

    def __init__(self, data: bytes, where: str = "the model", *, check: bool = True) -> None:
        self.manifest = check_model(data, where)
        self._session = LimitedSession(data, where)
        self._states = [state.name for state in self.manifest.states]
        self._outputs = ["scores", "ready", "valid", *(name + NEXT for name in self._states)]
        self._no_chunk = np.zeros((self.manifest.hop_samples, len(self.manifest.stream["channels"])))
        self.restart()
        if check:
            with self._session.deadline():
                self._check(where)

    def restart(self) -> None:
        """Forget everything."""
        #: Values of the states before the next step, by name.
        self.states: dict[str, NDArray[Any]] = {s.name: np.zeros(s.shape, s.dtype) for s in self.manifest.states}

    def step(self, chunk: NDArray[np.float64], onset: int = -1, length: int = 0) -> Answer:
        """Take one hop of samples.

        Parameters
        ----------
        chunk : ndarray of float64, shape (hop_samples, n_channels)
            The next samples, in the stream's own unit, columns as in the manifest.
        onset : int
            Index of the chunk's first sample less that of the marker's sample; -1 (any negative) asks nothing.
        length : int
            Which window is asked for, 1 is the shortest; 0 asks for that which ends within this chunk, if one does.
        """
        scores, ready, valid, *states = self._run(chunk, onset, length)
        self.states = dict(zip(self._states, states, strict=True))
        return scores, int(ready[0]), valid

    def ask(self, onset: int, length: int) -> Answer:
        """Answer for a window that has ended, without taking a step; `onset` as for the chunk that comes next."""
        scores, ready, valid, *_ = self._run(self._no_chunk, onset, length)
        return scores, int(ready[0]), valid

    def _run(self, chunk: NDArray[np.float64], onset: int, length: int) -> list[NDArray[Any]]:
        question = {"chunk": chunk, "onset": np.array([onset]), "length": np.array([length])}
        return self._session.run(self._outputs, {**question, **self.states})

    def test_scores(self) -> NDArray[np.float64]:
        """Return the scores of the test vector, shape (n_lengths, n_classes); forgets everything else.

        A row is NaN where the graph has no answer.
        """
        manifest = self.manifest
        hop, longest = manifest.hop_samples, manifest.lengths_samples[-1]
        n_steps = -(-(manifest.offset_samples + longest) // hop)
        signal = noise_of_integers(n_steps * hop, len(manifest.stream["channels"]))
        self.restart()
        for k in range(n_steps):
            self.step(signal[k * hop : (k + 1) * hop])
        answers = [self.ask(n_steps * hop, k + 1) for k in range(len(manifest.lengths_samples))]
        self.restart()
        return np.array(
            [scores if ready == k + 1 else np.full(len(scores), np.nan) for k, (scores, ready, _) in enumerate(answers)]
        )

    def _check(self, where: str) -> None:
        """Compare with the scores that the file says it gives for the test vector."""
        expected, got = np.array(self.manifest.test_scores), self.test_scores()
        largest = float(np.abs(expected).max())
        error = float(np.abs(got - expected).max()) / largest if largest > 0.0 else float(np.abs(got).max())
        if not error <= TOLERANCE:
            raise DecoderError(
                f"{where} does not compute what it was exported with: its test scores are off by {error:.1e}",
                reason=Reason.DAMAGED,
                hint="export the decoder again; if that does not help, update onnxruntime",
            )
