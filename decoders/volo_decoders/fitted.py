"""A fitted chain: what `train` makes, the store keeps, and live operation and replay run."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import StreamInfo
from volo_decoders.base import AdaptiveDecoder, Decoder
from volo_decoders.chain import ChainSpec, build_pipeline
from volo_decoders.pipeline.decoding import Decoding
from volo_decoders.pipeline.stopping import Accumulator, Stopping

__all__ = ["FittedChain", "check_contract", "make_id"]


@dataclass(frozen=True, slots=True)
class FittedChain:
    """A chain with its fitted decoder, its stopping rule and the stream it was fitted on.

    Attributes
    ----------
    spec : ChainSpec
        The description everything is built from.
    decoder : Decoder
        Fitted.
    stopping : Stopping
        Fitted.
    contract : StreamInfo
        What a stream must be to be decoded: its rate, channel names and units.
    decoder_id : str
        Name and hash of description and weights.
    provenance : Mapping
        Where the training data came from.
    """

    spec: ChainSpec
    decoder: Decoder
    stopping: Stopping
    contract: StreamInfo
    decoder_id: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def decoding(self, info: StreamInfo, skipped: Collection[tuple[int, int]] = ()) -> Decoding:
        """Return a new decoding of `info`'s stream.

        Raises
        ------
        DecoderError
            If the stream differs from the contract.
        """
        check_contract(self.contract, info)
        # What learns while it is used learns in a copy: every run, live or replayed, starts from the fitted decoder.
        decoder = copy.deepcopy(self.decoder) if isinstance(self.decoder, AdaptiveDecoder) else self.decoder
        pipeline = build_pipeline(self.spec, decoder, self.decoder_id)
        self._warm_up(pipeline.reset(info))
        longest = self.spec.window.samples(info.rate_hz)[-1]
        decoding = Decoding(pipeline, Accumulator(self.stopping, longest), skipped)
        decoding.reset(info)
        return decoding

    def _warm_up(self, processed: StreamInfo) -> None:
        """Decode noise once at each window length: what decoders prepare at first use must not delay a decision."""
        lengths = self.spec.window.samples(processed.rate_hz)
        noise = np.random.default_rng(0).normal(size=(1, processed.n_channels, lengths[-1])).astype(np.float32)
        for length in lengths:
            self.decoder.decision_function(noise[:, :, :length])


def check_contract(contract: StreamInfo, info: StreamInfo) -> None:
    """Refuse a stream whose rate, channels or units differ from those a decoder was fitted on.

    Raises
    ------
    DecoderError
        Naming the first kind of difference: rate, channels, units.
    """
    if info.rate_hz != contract.rate_hz:
        raise DecoderError(
            f"the decoder was fitted at {contract.rate_hz:g} Hz, stream {info.stream_id!r} has {info.rate_hz:g} Hz",
            reason=Reason.WRONG_RATE,
            hint="set the amplifier to that rate or train on this one",
        )
    have = {channel.name: channel for channel in info.channels}
    missing = [channel.name for channel in contract.channels if channel.name not in have]
    if missing:
        raise DecoderError(
            f"the decoder was fitted on another montage: stream {info.stream_id!r} lacks {', '.join(missing)}",
            reason=Reason.WRONG_CHANNELS,
            hint=f"it has {', '.join(info.channel_names)}; connect those electrodes or train on this montage",
        )
    wrong = [
        f"{channel.name} ({have[channel.name].unit} instead of {channel.unit})"
        for channel in contract.channels
        if have[channel.name].unit != channel.unit
    ]
    if wrong:
        raise DecoderError(
            f"the decoder was fitted on other units: {', '.join(wrong)} in stream {info.stream_id!r}",
            reason=Reason.WRONG_UNIT,
            hint="set the amplifier's unit or train on this one",
        )


def make_id(spec: ChainSpec, decoder: Decoder) -> str:
    """Return the decoder's name with the start of a SHA-256 over its description and weights."""
    digest = hashlib.sha256(json.dumps(spec.to_dict(), sort_keys=True).encode())
    for name, array in sorted(decoder.state().items()):
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return f"{spec.decoder}-{digest.hexdigest()[:12]}"
