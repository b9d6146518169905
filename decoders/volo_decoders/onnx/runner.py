"""Exported chains in the place of the Python pipeline: the same chunks and markers in, the same windows asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Chunk, Marker, StreamInfo
from volo_decoders.base import Decoder
from volo_decoders.fitted import check_contract
from volo_decoders.onnx.manifest import Manifest
from volo_decoders.onnx.steps import Steps
from volo_decoders.pipeline.blocks import Blocker
from volo_decoders.pipeline.online import OnlinePipeline
from volo_decoders.types import Prediction, Window

__all__ = ["ExportedDecoder", "OnnxRunner"]


@dataclass(frozen=True, slots=True, eq=False)
class ExportedDecoder:
    """What a pipeline and an engine read of a decoder; its scores come from the graph."""

    classes_: NDArray[np.str_]
    least_valid_fraction: float

    @classmethod
    def of(cls, manifest: Manifest) -> Decoder:
        """Return that of an exported file."""
        return cast(Decoder, cls(np.array(manifest.classes), manifest.least_valid_fraction))


class OnnxRunner(OnlinePipeline):
    """An exported chain behind the methods of the online pipeline. Needs numpy and onnxruntime.

    Gaps, validity and the choice of windows are those of the Python pipeline, by the same code; samples are filtered,
    kept and scored in the graph. Only where a marker comes so late that the graph has forgotten the window (see
    ``late_samples`` of the manifest) it is told as lost.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.

    Raises
    ------
    DecoderError
        If the file is refused, see `steps.Steps`.
    """

    def __init__(self, data: bytes, where: str = "the model") -> None:
        self._steps = Steps(data, where)
        self.manifest = manifest = self._steps.manifest
        spec = manifest.spec
        super().__init__(
            [],
            spec.window,
            ExportedDecoder.of(manifest),
            decoder_id=manifest.decoder_id,
            hop_s=spec.hop_s,
            hold_s=spec.hold_s,
        )

    def reset(self, info: StreamInfo) -> StreamInfo:
        """Forget everything, take the stream's description, and return that of the part the graph takes.

        Raises
        ------
        DecoderError
            If rate, channels or units are not those the chain was fitted on.
        """
        manifest, contract = self.manifest, self.manifest.contract
        check_contract(contract, info)
        super().reset(info)
        names = info.channel_names
        self._columns = np.array([names.index(name) for name in contract.channel_names], np.intp)
        self._blocker = Blocker(manifest.hop_samples, manifest.hold_samples)
        self._windower.reset(info.rate_hz, 0)
        self._steps.restart()
        self._stop = -1
        return replace(info, channels=tuple(info.channels[k] for k in self._columns))

    @property
    def settle_s(self) -> float:
        """How long after a start windows are marked invalid, seconds."""
        return self.manifest.settle_samples / self.manifest.contract.rate_hz

    def windows(self, chunk: Chunk, markers: Sequence[Marker] = ()) -> Iterator[Window]:
        """Take samples (times on the session clock) and markers; yield complete windows, without their samples."""
        if self._info is None:
            raise ValueError("OnnxRunner: push called before reset")
        for marker in markers:
            self._windower.mark(marker)
        for block in self._blocker.push(chunk):
            part = block.chunk
            if block.restart:
                self._lose(part.index)
            finite = self._take(part)
            valid = finite if part.valid is None else part.valid & finite
            unsettled = min(self._unsettled, len(part))
            self._unsettled -= unsettled
            empty = np.empty((len(part), 0), np.float32)
            self._windower.push(Chunk(part.stream_id, part.index, empty, part.times, valid), unsettled)
            yield from self._ready()
        yield from self._ready()

    def _ready(self) -> Iterator[Window]:
        for window in self._windower.ready():
            longest = self.manifest.lengths_samples[-1]
            if self._stop - window.stop_index > self.manifest.late_samples + longest - window.samples.shape[1]:
                self._windower.lost.append(
                    Marker(window.stop_time, self._windower.spec.onset_label, {"trial": window.group})
                )
                continue
            yield window

    def _lose(self, index: int) -> None:
        """Start anew at sample `index`: what the ring holds stays, lost samples are zeros in it."""
        kept = self._steps.states
        self._steps.restart()
        ring, filled = kept["ring"], kept["filled"]
        if self._stop >= 0:
            lost = min(index - self._stop, len(ring))
            self._steps.states["ring"] = np.concatenate([ring[lost:], np.zeros((lost, ring.shape[1]), ring.dtype)])
            self._steps.states["filled"] = np.minimum(filled + lost, len(ring))
        self._unsettled = self.manifest.settle_samples

    def _take(self, part: Chunk) -> NDArray[np.bool_]:
        """Take the samples of one block; return which are finite.

        A first block that is not whole is filled up in front with its first sample, which changes nothing that comes
        after: filters start in the steady state of that sample.
        """
        steps, n = self._steps, len(part)
        samples = part.samples[:, self._columns].astype(np.float64)
        missing = self.manifest.hop_samples - n
        if missing:
            samples = np.concatenate([np.repeat(samples[:1], missing, axis=0), samples])
        ring, filled = steps.states["ring"], steps.states["filled"]
        _, _, valid = steps.step(np.ascontiguousarray(samples))
        if missing:  # what was filled up is no part of the stream
            steps.states["ring"] = np.concatenate([ring[n:], steps.states["ring"][-n:]])
            steps.states["filled"] = np.minimum(filled + n, len(ring))
        self._stop = part.stop
        return valid[missing:]

    def predict(self, window: Window) -> Prediction:
        """Score a window that `windows` yielded, before more samples are taken.

        Raises
        ------
        ValueError
            If the graph does not hold the window any more.
        """
        n = window.samples.shape[1]
        length = self.manifest.lengths_samples.index(n) + 1
        start = window.stop_index - n
        scores, ready, _ = self._steps.ask(self._stop - (start - self.manifest.offset_samples), length)
        if ready != length:
            raise ValueError(f"OnnxRunner.predict: the window that ends at {window.stop_index} is not kept any more")
        return Prediction(
            window.stop_index, window.stop_time, window.group, n, self._classes, scores, self.manifest.decoder_id
        )
