"""What every streaming stage promises."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from volo_acquisition.types import Chunk, StreamInfo

__all__ = ["Stage", "TellsReason"]


class Stage(Protocol):
    """One step of signal processing on a stream.

    Three laws, tested for all stages at once: any chunking of the same samples gives the same output; no input is
    mutated; an empty chunk is legal. Constructor parameters are plain numbers, texts and lists, stored under their
    own names. ``reset`` is called before the first ``push``, and again after a gap that was too long to bridge.

    Attributes
    ----------
    mergeable : bool
        True if whole hops pushed at once give the same *bits* as one after the other; the pipeline then saves calls.
        Where it is False (say, matrix products over whatever comes), the pipeline pushes hop by hop.
    """

    mergeable: bool

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Forget everything, take the stream's description, and return that of the output.

        With `hop_samples` above 0 the caller promises that chunks end at multiples of it.

        Raises
        ------
        DecoderError
            If the stream lacks something the stage needs.
        """
        ...

    def push(self, chunk: Chunk) -> Chunk:
        """Process consecutive samples; the output has as many samples, with the same index and times."""
        ...

    @property
    def settle_s(self) -> float:
        """How long after a reset the output is not to be trusted, seconds."""
        ...


@runtime_checkable
class TellsReason(Protocol):
    """A stage that marks samples invalid and can say why."""

    def reason(self, start_index: int, stop_index: int) -> str:
        """Return what was wrong between two absolute sample indices, "" if nothing."""
        ...
