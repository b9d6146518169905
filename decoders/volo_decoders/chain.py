"""A decoding chain as a description: stages, windows, decoder, stopping; everything that runs is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError
from volo_acquisition.types import StreamInfo
from volo_decoders.base import Decoder
from volo_decoders.pipeline.base import Stage
from volo_decoders.pipeline.online import OnlinePipeline
from volo_decoders.pipeline.windower import WindowSpec

__all__ = ["ChainSpec", "StageSpec", "build_decoder", "build_pipeline", "resolve_channels"]


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage: its registered name and its parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A whole chain, from raw chunks to scores.

    Attributes
    ----------
    stages : tuple of StageSpec
        In order.
    window : WindowSpec
        Where windows lie.
    decoder : str
        Registered name.
    decoder_params : Mapping
        Of its constructor.
    hop_s : float
        Length of the blocks the stages compute on, seconds.
    hold_s : float
        Longest gap that is bridged, seconds.
    """

    stages: tuple[StageSpec, ...]
    window: WindowSpec
    decoder: str
    decoder_params: Mapping[str, Any] = field(default_factory=dict)
    hop_s: float = 0.02
    hold_s: float = 0.04

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain values, for TOML; parameters that are None are left out."""
        return {
            "hop_s": self.hop_s,
            "hold_s": self.hold_s,
            "stages": [{"name": stage.name, "params": _plain(stage.params)} for stage in self.stages],
            "window": {
                "onset_label": self.window.onset_label,
                "offset_s": self.window.offset_s,
                "lengths_s": list(self.window.lengths_s),
            },
            "decoder": {"name": self.decoder, "params": _plain(self.decoder_params)},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "chain") -> ChainSpec:
        """Read what `to_dict` wrote.

        Raises
        ------
        ConfigError
            Listing what is missing or wrong.
        """
        problems = [f"{where}: {key}: missing" for key in ("stages", "window", "decoder") if key not in values]
        if problems:
            raise ConfigError(problems)
        try:
            window = values["window"]
            return cls(
                tuple(StageSpec(str(s["name"]), dict(s.get("params", {}))) for s in values["stages"]),
                WindowSpec(
                    tuple(float(v) for v in window["lengths_s"]), float(window["offset_s"]), str(window["onset_label"])
                ),
                str(values["decoder"]["name"]),
                dict(values["decoder"].get("params", {})),
                float(values.get("hop_s", 0.02)),
                float(values.get("hold_s", 0.04)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError([f"{where}: {error}"]) from error


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value is not None}


def resolve_channels(spec: ChainSpec, info: StreamInfo) -> ChainSpec:
    """Return the chain with the channels named that it would pick from this stream."""
    stages = []
    for stage in spec.stages:
        params = dict(stage.params)
        if stage.name == "select" and params.get("channels") is None:
            params["channels"] = list(
                build_stages(replace(spec, stages=(stage,)), fitting=False)[0].reset(info).channel_names
            )
        stages.append(StageSpec(stage.name, params))
    return replace(spec, stages=tuple(stages))


def build_stages(spec: ChainSpec, *, fitting: bool) -> list[Stage]:
    """Return the chain's stages, new.

    A filter bank marked ``cascaded`` (the field's variant, for comparison) is cascaded for fitting only: that is the
    published error, training data that have passed more filters than test data.
    """
    stages = []
    for stage in spec.stages:
        params = dict(stage.params)
        if "cascaded" in params:
            params["cascaded"] = bool(params["cascaded"]) and fitting
        stages.append(cast(Stage, registry.load("volo.stages", stage.name)(**params)))
    return stages


def build_decoder(spec: ChainSpec) -> Decoder:
    """Return the chain's decoder, new and not fitted."""
    try:
        return cast(Decoder, registry.load("volo.decoders", spec.decoder)(**spec.decoder_params))
    except TypeError as error:
        raise ConfigError([f"chain: decoder.params: {error}"]) from error


def build_pipeline(
    spec: ChainSpec, decoder: Decoder | None = None, decoder_id: str = "", *, fitting: bool = False
) -> OnlinePipeline:
    """Return a pipeline: with a fitted decoder for predictions, without one for windows."""
    return OnlinePipeline(
        build_stages(spec, fitting=fitting),
        spec.window,
        decoder,
        decoder_id=decoder_id,
        hop_s=spec.hop_s,
        hold_s=spec.hold_s,
    )
