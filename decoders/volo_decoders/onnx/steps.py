"""An exported file in onnxruntime: one call a hop, states kept between calls. The whole of what a host must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from volo_acquisition.errors import DecoderError, Reason
from volo_decoders.onnx.gate import check_model
from volo_decoders.onnx.graph import NEXT
from volo_decoders.onnx.testvector import noise_of_integers

__all__ = ["Answer", "Steps"]

#: Largest difference from the scores in the file, relative to the largest of them, at which it is still trusted.
TOLERANCE = 1e-5
#: What onnxruntime raises: a class for each of its own states, and what its C++ parts throw.
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    *(kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)

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

    Raises
    ------
    DecoderError
        If the file is refused, or computes something else than was exported.
    """

    def __init__(self, data: bytes, where: str = "the model") -> None:
        self.manifest = check_model(data, where)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # what fails is raised; nothing is written past the console
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise self._failed(where, error) from error
        self._states = [state.name for state in self.manifest.states]
        self._outputs = ["scores", "ready", "valid", *(name + NEXT for name in self._states)]
        self._no_chunk = np.zeros((self.manifest.hop_samples, len(self.manifest.stream["channels"])))
        self.restart()
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
        try:
            outputs: list[NDArray[Any]] = self._session.run(self._outputs, {**question, **self.states})
        except _FAILURES as error:
            raise self._failed("the model", error) from error
        return outputs

    @staticmethod
    def _failed(where: str, error: Exception) -> DecoderError:
        what = " ".join(str(error).split())[:200]
        return DecoderError(
            f"{where} cannot be run by onnxruntime {onnxruntime.__version__}: {what}",
            reason=Reason.DAMAGED,
            hint="export the decoder again, or update onnxruntime",
        )

    def _check(self, where: str) -> None:
        """Compare with the scores the Python chain gave for the test vector when the file was made."""
        manifest = self.manifest
        hop, longest = manifest.hop_samples, manifest.lengths_samples[-1]
        n_steps = -(-(manifest.offset_samples + longest) // hop)
        signal = noise_of_integers(n_steps * hop, len(manifest.stream["channels"]))
        for k in range(n_steps):
            self.step(signal[k * hop : (k + 1) * hop])
        expected = np.array(manifest.test_scores)
        answers = [self.ask(n_steps * hop, k + 1) for k in range(len(expected))]
        got = np.array([scores for scores, _, _ in answers])
        largest = float(np.abs(expected).max())
        error = float(np.abs(got - expected).max()) / largest if largest > 0.0 else float(np.abs(got).max())
        if [ready for _, ready, _ in answers] != list(range(1, len(expected) + 1)) or not error <= TOLERANCE:
            raise DecoderError(
                f"{where} does not compute what it was exported with: its test scores are off by {error:.1e}",
                reason=Reason.DAMAGED,
                hint="export the decoder again; if that does not help, update onnxruntime",
            )
        self.restart()
