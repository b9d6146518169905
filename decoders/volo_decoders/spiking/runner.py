"""Runs a one-step graph with onnxruntime in one thread; needs neither torch nor the package ``onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_decoders.spiking.contract import METADATA_KEY, SpikingContract

__all__ = ["Step", "StepModel"]

#: What a state's output adds to the name of its input.
_NEXT = "_next"


class Step(NamedTuple):
    """What one step gives.

    Attributes
    ----------
    y : ndarray of float32, shape (n_outputs,)
        The outputs.
    spikes : ndarray of float32, shape (n_units,)
        Spikes of each unit in the bin.
    states : dict of str to ndarray
        To be given to the next step.
    """

    y: NDArray[np.float32]
    spikes: NDArray[np.float32]
    states: dict[str, NDArray[np.float32]]


class StepModel:
    """A one-step graph and its contract. It keeps no state: states go in and come out.

    Parameters
    ----------
    path : Path
        The file that `export.write_step` wrote.

    Attributes
    ----------
    contract : SpikingContract
        What the file says about itself.
    n_bytes : int
        Size of the file.

    Raises
    ------
    FileError
        If there is no such file (NOT_FOUND), or it is no ONNX file (DAMAGED).
    DecoderError
        If it is another kind of ONNX file (UNSUPPORTED), damaged or of a newer version.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise FileError(
                f"{path} cannot be read: {error.strerror}",
                reason=Reason.NOT_FOUND,
                hint="give a file that volo spiking train wrote",
            ) from error
        self._session = _session(path, content)
        self.n_bytes = len(content)
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        inputs = {put.name: tuple(put.shape) for put in self._session.get_inputs()}
        self._outputs = [put.name for put in self._session.get_outputs()]
        self._states = {name: shape for name, shape in inputs.items() if name != "x"}
        wanted = ["y", "spikes", *(name + _NEXT for name in self._states)]
        if text is None or "x" not in inputs or sorted(self._outputs) != sorted(wanted):
            raise DecoderError(
                f"{path} is an ONNX file, but no spiking decoder",
                reason=Reason.UNSUPPORTED,
                hint="give a file that volo spiking train wrote",
            )
        self.contract = SpikingContract.from_json(text)
        if inputs["x"] != (1, len(self.contract.channels)):
            raise DecoderError(
                f"{path} takes inputs of shape {inputs['x']}, but describes {len(self.contract.channels)} channels",
                reason=Reason.DAMAGED,
                hint="export it again with volo spiking train",
            )

    def start(self) -> dict[str, NDArray[np.float32]]:
        """Return the states before the first bin: zeros."""
        return {name: np.zeros(shape, np.float32) for name, shape in self._states.items()}

    def step(self, counts: NDArray[Any], states: dict[str, NDArray[np.float32]]) -> Step:
        """Decode one bin.

        Parameters
        ----------
        counts : ndarray, shape (n_channels,)
            Of this bin.
        states : dict of str to ndarray
            What the step before gave, or `start`.
        """
        x = np.asarray(counts, np.float32)[None, :]
        values = dict(zip(self._outputs, self._session.run(self._outputs, {"x": x, **states}), strict=True))
        return Step(values["y"][0], values["spikes"][0], {name: values[name + _NEXT] for name in self._states})


def _session(path: Path, content: bytes) -> Any:
    """Return a session of one thread."""
    import onnxruntime

    from onnxruntime.capi import onnxruntime_pybind11_state as state  # isort: skip

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
    ) as error:
        first_line = next(iter(str(error).splitlines()), "")
        raise FileError(
            f"{path} cannot be read as ONNX: {first_line}",
            reason=Reason.DAMAGED,
            hint="give a file that volo spiking train wrote",
        ) from error
