"""onnxruntime with limits: one thread, bounded memory, and a deadline for what is run for the first time.

A file that passed the gate is small and made of known operators, but a few of those can still ask for more memory than
a machine has. The allocator says no before that, and what fails is an error of Volo's, not the end of the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from volo_acquisition.errors import DecoderError, Reason

__all__ = ["DEADLINE_S", "MAX_MEMORY_BYTES", "LimitedSession"]

#: Most memory that all models of a process may use together.
MAX_MEMORY_BYTES = 800_000_000
#: How long a file may compute on its own test vector, seconds.
DEADLINE_S = 10.0
#: What onnxruntime raises: a class for each of its own states, and what its C++ parts throw.
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    *(kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)


@cache
def _register_allocator() -> None:
    """Give onnxruntime, once a process, an arena that cannot grow without end."""
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(where, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY_BYTES}))


class LimitedSession:
    """A model in onnxruntime.

    Parameters
    ----------
    data : bytes
        The file; whoever makes this has had it checked (`gate.check_model`).
    where : str
        Its name, for messages.

    Raises
    ------
    DecoderError
        If onnxruntime does not take it.
    """

    def __init__(self, data: bytes, where: str = "the model") -> None:
        self._where = where
        self._run_options = onnxruntime.RunOptions()
        _register_allocator()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4  # what fails is raised; nothing is written past the console
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise self._failed(error) from error

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute `outputs`, or all of them.

        Raises
        ------
        DecoderError
            If the model fails, wants too much memory, or took too long inside `deadline`.
        """
        try:
            values: list[NDArray[Any]] = self._session.run(outputs, inputs, self._run_options)
        except _FAILURES as error:
            raise self._failed(error) from error
        return values

    @contextmanager
    def deadline(self, seconds: float = DEADLINE_S) -> Iterator[None]:
        """Within the block, end what runs longer than `seconds`; takes effect between two operators."""

        def end() -> None:
            self._run_options.terminate = True

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self._run_options.terminate = False

    def _failed(self, error: Exception) -> DecoderError:
        what = " ".join(str(error).split())[:200]
        return DecoderError(
            f"{self._where} cannot be run by onnxruntime {onnxruntime.__version__}: {what}",
            reason=Reason.DAMAGED,
            hint="export the decoder again, or update onnxruntime",
        )
