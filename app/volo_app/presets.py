"""The chains Volo trains by default."""

from __future__ import annotations

from volo_acquisition.errors import DecoderError, Reason
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.pipeline.windower import WindowSpec
from volo_paradigms.layout import Layout

__all__ = ["DECODERS", "SPELLER_LENGTHS_S", "ssvep_chain"]

#: Decoders `volo train` can fit for the speller.
DECODERS = ("etrca", "fbcca", "oacca", "ecca", "ms_cca", "trca", "trca_r", "ms_etrca", "tdca")
#: Those of them that need no calibration.
UNCALIBRATED = ("fbcca", "oacca")
#: Window lengths tried one after the other when spelling, seconds.
SPELLER_LENGTHS_S = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
#: The same for decoders without calibration, which need longer.
LONG_LENGTHS_S = (1.0, 1.5, 2.0, 3.0, 4.0)
#: Sub-bands of the 40-target speller: the k-th passes harmonics from k on (Chen et al. 2015).
SPELLER_BANDS_HZ = ((6.0, 90.0), (14.0, 90.0), (22.0, 90.0), (30.0, 90.0), (38.0, 90.0))
#: Visual latency: from the flicker's onset to its response, seconds (Wang et al. 2017).
VISUAL_LATENCY_S = 0.14


def ssvep_chain(
    decoder: str,
    layout: Layout,
    rate_hz: float,
    *,
    lengths_s: tuple[float, ...] | None = None,
    bands_hz: tuple[tuple[float, float], ...] = SPELLER_BANDS_HZ,
    cascaded: bool = False,
    mains_hz: float = 50.0,
) -> ChainSpec:
    """Return the chain of the speller: all EEG channels, filter bank, windows after the visual latency, decoder.

    Parameters
    ----------
    decoder : str
        One of `DECODERS`.
    layout : Layout
        Its keys are the classes.
    rate_hz : float
        Of the stream.
    lengths_s : tuple of float or None
        Window lengths; None takes those that suit the decoder.
    bands_hz : tuple of (float, float)
        Sub-bands; upper edges are lowered to fit the rate.
    cascaded : bool
        The field's cascaded filter bank in training, for comparison.
    mains_hz : float
        Frequency of the power line, 0 for none: it is filtered out, since it is a harmonic of some keys (the fifth of
        10 Hz) and pure enough to win every time.

    Raises
    ------
    DecoderError
        If the decoder is unknown.
    """
    if lengths_s is None:
        lengths_s = LONG_LENGTHS_S if decoder in UNCALIBRATED else SPELLER_LENGTHS_S
    top = 0.45 * rate_hz
    bands = [[low, min(high, top)] for low, high in bands_hz if low < 0.8 * top]
    params = _decoder_params(decoder, layout, rate_hz, len(bands))
    notch = StageSpec("sos", {"kind": "bandstop", "cutoff_hz": [mains_hz - 2.0, mains_hz + 2.0], "order": 2})
    stages = (
        StageSpec("select", {}),
        *([notch] if 0.0 < mains_hz < 0.45 * rate_hz else []),
        StageSpec("filter_bank", {"pass_bands_hz": bands, "order": 4, "ripple_db": 0.5, "cascaded": cascaded}),
    )
    return ChainSpec(stages, WindowSpec(lengths_s, VISUAL_LATENCY_S), decoder, params)


def _decoder_params(decoder: str, layout: Layout, rate_hz: float, n_bands: int) -> dict[str, object]:
    """Return what the decoder needs to know of keys, rate and bands."""
    if decoder not in DECODERS:
        raise DecoderError(
            f"decoder {decoder!r} is not made for this speller",
            reason=Reason.NOT_FOUND,
            hint=f"use one of {', '.join(DECODERS)}",
        )
    params: dict[str, object] = {"n_bands": n_bands}
    if decoder in {"etrca", "trca"}:
        return params
    params["frequencies_hz"] = [key.frequency_hz for key in layout.keys]
    params["class_names"] = [key.label for key in layout.keys]
    if decoder == "ms_etrca":
        return params
    params |= {"rate_hz": rate_hz, "n_harmonics": 5}
    if decoder == "ms_cca":
        params["phases_rad"] = [key.phase_rad for key in layout.keys]
    return params
