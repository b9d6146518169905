"""What a file with a spiking decoder says about itself: which stream it takes, what it gives, what it was fitted on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import StreamInfo

__all__ = ["METADATA_KEY", "SCHEMA", "SpikingContract"]

#: Under which key of the ONNX file's metadata the contract is, as JSON.
METADATA_KEY = "volo.spiking"
#: Version of the contract; newer files are refused.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class SpikingContract:
    """The host's side of the file.

    Attributes
    ----------
    channels : tuple of str
        Names of the inputs, in order.
    unit : str
        Unit of the inputs.
    rate_hz : float
        Bins a second; one step is one bin.
    outputs : tuple of str
        Names of the outputs.
    output_unit : str
        Unit of the outputs.
    n_units : int
        Spiking units.
    recurrent : bool
        Whether units excite each other.
    n_substeps : int
        Sub-steps of the membrane a bin.
    n_parameters : int
        Numbers in the network.
    settle_bins : int
        Bins after a reset whose outputs are not to be trusted.
    provenance : Mapping
        Data, split, settings and seed it was fitted with.
    """

    channels: tuple[str, ...]
    unit: str
    rate_hz: float
    outputs: tuple[str, ...]
    output_unit: str
    n_units: int
    recurrent: bool
    n_substeps: int
    n_parameters: int
    settle_bins: int
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the contract as one line of JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SpikingContract:
        """Read what `to_json` wrote.

        Raises
        ------
        DecoderError
            If it is of a newer version (NEWER_SCHEMA) or not a contract (DAMAGED).
        """
        try:
            values = json.loads(text)
            if int(values["schema"]) > SCHEMA:
                raise DecoderError(
                    f"the spiking decoder has schema {values['schema']}, this Volo knows up to {SCHEMA}",
                    reason=Reason.NEWER_SCHEMA,
                    hint="update Volo",
                )
            return cls(
                tuple(str(name) for name in values["channels"]),
                str(values["unit"]),
                float(values["rate_hz"]),
                tuple(str(name) for name in values["outputs"]),
                str(values["output_unit"]),
                int(values["n_units"]),
                bool(values["recurrent"]),
                int(values["n_substeps"]),
                int(values["n_parameters"]),
                int(values["settle_bins"]),
                dict(values["provenance"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise DecoderError(
                f"the spiking decoder's description cannot be read: {error}",
                reason=Reason.DAMAGED,
                hint="export it again with volo spiking train",
            ) from error

    def require(self, info: StreamInfo) -> None:
        """Refuse a stream other than the one it was fitted on.

        Raises
        ------
        DecoderError
            If channels (WRONG_CHANNELS), unit (WRONG_UNIT) or rate (WRONG_RATE) differ; it says which.
        """
        if info.channel_names != self.channels:
            missing = [name for name in self.channels if name not in info.channel_names]
            what = f"lacks {', '.join(missing[:5])}" if missing else "has its channels in another order or more of them"
            raise DecoderError(
                f"stream {info.stream_id!r} has {info.n_channels} channels and {what}; "
                f"the decoder takes {len(self.channels)}",
                reason=Reason.WRONG_CHANNELS,
                hint="train a decoder on this array",
            )
        units = sorted({channel.unit for channel in info.channels})
        if units != [self.unit]:
            raise DecoderError(
                f"stream {info.stream_id!r} is in {', '.join(units)}, the decoder takes {self.unit}",
                reason=Reason.WRONG_UNIT,
                hint="give spike counts a bin",
            )
        if abs(info.rate_hz - self.rate_hz) > 1e-6 * self.rate_hz:
            raise DecoderError(
                f"stream {info.stream_id!r} has {info.rate_hz:g} bins/s, the decoder takes {self.rate_hz:g}",
                reason=Reason.WRONG_RATE,
                hint="count spikes in bins of the length it was trained on",
            )
