"""A fitted chain as one ONNX file: raw samples to scores.

Each step takes one hop of samples and the states, and gives the states for the next; a question (``onset``,
``length``) put with it changes no state. ``docs/export.md`` defines all inputs and outputs.
"""

from __future__ import annotations

from volo_decoders.fitted import FittedChain

__all__ = ["LATE_S", "build_graph", "export_bytes"]

#: How long ago a window may have ended that is still asked for, seconds. Live, windows that come half a second late
#: are skipped anyway.
LATE_S = 1.0


def export_bytes(fitted: FittedChain, *, late_s: float = LATE_S) -> bytes:
    """Return the file's bytes; the same chain gives the same bytes with the same versions."""
    data: bytes = build_graph(fitted, late_s=late_s).SerializeToString(deterministic=True)
    return data


def build_graph(fitted: FittedChain, *, late_s: float = LATE_S):  # type: ignore[no-untyped-def]
    """Return a fitted chain as an ``onnx.ModelProto``, built from its description and its fitted arrays.

    Parameters
    ----------
    fitted : FittedChain
        The chain.
    late_s : float
        How long ago a window may have ended that can still be asked for, seconds: the length of the past that the
        states keep besides the longest window.

    Raises
    ------
    DecoderError
        If a stage or the decoder has no ONNX form (it is named), or the package ``onnx`` is not installed.
    """
