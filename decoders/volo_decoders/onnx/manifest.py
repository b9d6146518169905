"""What an exported file says of itself: the stream it wants, its windows, its states, and a check of its numbers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from volo_acquisition.errors import ConfigError, DecoderError, Reason
from volo_acquisition.types import Channel, ChannelKind, StreamInfo
from volo_decoders.chain import ChainSpec
from volo_decoders.onnx.graph import PRECISIONS
from volo_decoders.pipeline.stopping import Stopping, make_stopping

__all__ = ["KEY", "KEY_SHA256", "SCHEMA", "Manifest", "State", "chain_sha256", "entries"]

#: The metadata entry of the file that holds the manifest.
KEY = "volo.manifest"
#: The metadata entry that holds the SHA-256 of the manifest's text.
KEY_SHA256 = "volo.manifest.sha256"
#: Version of the manifest and of the contract between file and host; newer files are refused.
SCHEMA = 1
#: Most numbers that the states of a file, or the test vector for its longest window, may have.
MAX_STATE_VALUES = 16_000_000


@dataclass(frozen=True, slots=True)
class State:
    """One state: the input `name`, and the output of that name with ``_next`` after it."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of an exported chain.

    Attributes
    ----------
    decoder_id : str
        Of the fitted chain it was made from.
    chain, stopping : dict
        As in decoder.toml.
    chain_sha256 : str
        Of `chain`, see `chain_sha256`.
    stream : dict
        What a stream must be: rate, channels in the order of the columns of ``chunk``, units.
    classes : list of str
        Labels, in the order of the scores.
    hop_samples : int
        Rows of ``chunk``.
    hold_samples, settle_samples : int
        Longest gap that is bridged; samples after a start that are not to be trusted.
    offset_samples, lengths_samples
        From the onset to the first sample of the windows, and their lengths.
    late_samples : int
        The longest window may have ended so long ago and still be asked for; a shorter one that starts with it, too.
    least_valid_fraction : float
        Windows with a smaller share of valid samples are not decoded.
    states : list of State
        All start as zeros.
    versions : dict
        Of what made the file.
    test_scores : list of list of float
        For each length, the scores for `testvector.noise_of_integers` with the onset at sample 0: those of the Python
        chain, or of the graph itself where it keeps its weights in another precision.
    precision : str
        How the decoder's weights are kept, see `graph.GraphBuilder.weights`.
    """

    decoder_id: str
    chain: dict[str, Any]
    chain_sha256: str
    stopping: dict[str, Any]
    stream: dict[str, Any]
    classes: list[str]
    hop_samples: int
    hold_samples: int
    settle_samples: int
    offset_samples: int
    lengths_samples: list[int]
    late_samples: int
    least_valid_fraction: float
    states: list[State]
    versions: dict[str, str]
    test_scores: list[list[float]]
    precision: str = "float64"

    @property
    def spec(self) -> ChainSpec:
        """The chain's description."""
        return ChainSpec.from_dict(self.chain, KEY)

    @property
    def rule(self) -> Stopping:
        """When to decide."""
        return make_stopping(self.stopping)

    @property
    def contract(self) -> StreamInfo:
        """What a stream must be."""
        return _stream_from_dict(self.stream)

    def to_json(self) -> str:
        """Return the manifest as one JSON object."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Read what `to_json` wrote, and check that its parts fit each other.

        Parameters
        ----------
        text : str
            The JSON object.
        where : str
            The file's name, for messages.

        Raises
        ------
        DecoderError
            If it was written by a newer Volo, or something is missing or does not fit.
        """
        try:
            values = json.loads(text)
            schema = values.pop("schema")
            if type(schema) is not int or schema < 1:
                raise ValueError(f"its schema is {schema!r}")
            if schema > SCHEMA:
                raise DecoderError(
                    f"{where} has manifest schema {schema}, this Volo knows up to {SCHEMA}",
                    reason=Reason.NEWER_SCHEMA,
                    hint="update Volo",
                )
            states = [State(str(s["name"]), str(s["dtype"]), tuple(s["shape"])) for s in values.pop("states")]
            manifest = cls(**values, states=states)
            manifest._check()
        except (
            ArithmeticError,
            AttributeError,
            ConfigError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise DecoderError(
                f"{where} has a damaged manifest: {error}", reason=Reason.DAMAGED, hint="export the decoder again"
            ) from error
        return manifest

    def _check(self) -> None:
        self._check_counts()
        if chain_sha256(self.chain) != self.chain_sha256:
            raise ValueError("the chain is not the one its hash names")
        if list(self.spec.window.samples(self.contract.rate_hz)) != self.lengths_samples:
            raise ValueError("the window lengths are not those of the chain")
        if self.precision not in PRECISIONS:
            raise ValueError(f"its precision is {self.precision!r}, known are {', '.join(PRECISIONS)}")
        texts = (self.decoder_id, *self.classes)
        if not self.classes or not all(isinstance(text, str) for text in texts):
            raise ValueError("the decoder's id and at least one class must be texts")
        shape = [len(row) for row in self.test_scores]
        numbers = (self.least_valid_fraction, *(score for row in self.test_scores for score in row))
        if shape != [len(self.classes)] * len(self.lengths_samples):
            raise ValueError("the test scores do not fit the classes and lengths")
        if not all(isinstance(number, float) and math.isfinite(number) for number in numbers):
            raise ValueError("the test scores and the least valid fraction must be finite numbers")
        self.rule.to_dict()

    def _check_counts(self) -> None:
        counts = (self.hop_samples, *self.lengths_samples, *(n for state in self.states for n in state.shape))
        if not all(type(n) is int and n > 0 for n in counts):
            raise ValueError("hop, lengths and shapes of states must be positive integers")
        others = (self.hold_samples, self.settle_samples, self.offset_samples, self.late_samples)
        if not all(type(n) is int and n >= 0 for n in others):
            raise ValueError("hold, settle, offset and late must be integers of at least 0")
        test_rows = self.hop_samples + self.offset_samples + self.lengths_samples[-1]
        sizes = (test_rows * self.contract.n_channels, sum(math.prod(state.shape) for state in self.states))
        if max(sizes) > MAX_STATE_VALUES:
            raise ValueError(f"states or windows have more than {MAX_STATE_VALUES} numbers")
        if any(state.dtype not in ("bool", "int64", "float32", "float64") for state in self.states):
            raise ValueError("states must be bool, int64, float32 or float64")
        shapes = {(state.name, state.dtype): state.shape for state in self.states}
        ring = shapes.get(("ring", "float32"), ())
        if shapes.get(("filled", "int64")) != (1,) or len(ring) != 2:
            raise ValueError("the states 'ring' and 'filled' are missing")
        if ring[0] < self.lengths_samples[-1] + self.late_samples + 2 * self.hop_samples:
            raise ValueError("the ring is shorter than the windows")


def entries(manifest: Manifest) -> dict[str, str]:
    """Return the metadata entries of a file: the manifest, and its hash."""
    text = manifest.to_json()
    return {KEY: text, KEY_SHA256: hashlib.sha256(text.encode()).hexdigest()}


def chain_sha256(chain: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a chain's description: of its JSON with sorted keys."""
    return hashlib.sha256(json.dumps(chain, sort_keys=True).encode()).hexdigest()


def stream_to_dict(info: StreamInfo) -> dict[str, Any]:
    """Return a stream's description as plain values."""
    channels = [{"name": c.name, "kind": str(c.kind), "unit": c.unit} for c in info.channels]
    return {
        "stream_id": info.stream_id,
        "kind": info.kind,
        "rate_hz": info.rate_hz,
        "dtype": info.dtype,
        "channels": channels,
    }


def _stream_from_dict(values: Mapping[str, Any]) -> StreamInfo:
    channels = tuple(Channel(str(c["name"]), ChannelKind(c["kind"]), str(c["unit"])) for c in values["channels"])
    return StreamInfo(
        str(values["stream_id"]), str(values["kind"]), float(values["rate_hz"]), channels, str(values["dtype"])
    )
