"""The chains of motor imagery that Volo trains by default. All numbers were chosen before any score was seen."""

from __future__ import annotations

from collections.abc import Sequence

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import ChannelKind, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.imagery.band_power import parse_feature
from volo_decoders.pipeline.windower import WindowSpec

__all__ = [
    "FEEDBACK_LENGTHS_S",
    "IMAGERY_DECODERS",
    "IMAGERY_FEATURES",
    "IMAGERY_OFFSET_S",
    "IMAGERY_WINDOW_S",
    "imagery_chain",
]

#: Decoders made for imagery.
IMAGERY_DECODERS = (
    *("csp_lda", "band_power_lda", "fbcsp", "feature_lda"),
    *("mdm", "fgmdm", "ts_lr", "ts_svm", "ts_en", "acm"),
)
#: Decoders behind one band-pass over all channels: registered name and parameters.
_BROAD: dict[str, tuple[str, dict[str, object]]] = {
    "csp_lda": ("csp_lda", {"n_pairs": 3, "shrinkage": "oas"}),
    "mdm": ("mdm", {}),
    "fgmdm": ("fgmdm", {}),
    "ts_lr": ("tangent_space", {"model": "lr"}),
    "ts_svm": ("tangent_space", {"model": "svm"}),
    "ts_en": ("tangent_space", {"model": "elastic_net"}),
    "acm": ("acm", {"order": 4, "lag": 6}),
}
#: From the cue to the window's start, and its length: the rhythms begin to change some 0.3 to 0.5 s after a cue.
IMAGERY_OFFSET_S, IMAGERY_WINDOW_S = 0.5, 3.0
#: Windows of feedback: ten a second grow from one second after their start to all of it.
FEEDBACK_LENGTHS_S = tuple(round(1.0 + 0.1 * k, 1) for k in range(21))
#: Mu and beta together.
IMAGERY_BAND_HZ = (7.0, 30.0)
#: Nine bands of 4 Hz.
FBCSP_BANDS_HZ = tuple((4.0 * k, 4.0 * k + 4.0) for k in range(1, 10))
#: Mu and beta over the areas of the right hand, the feet and the left hand.
IMAGERY_FEATURES = ("C3:8-12", "Cz:8-12", "C4:8-12", "C3:18-26", "Cz:18-26", "C4:18-26")


def imagery_chain(
    decoder: str,
    *,
    lengths_s: Sequence[float] = (IMAGERY_WINDOW_S,),
    offset_s: float = IMAGERY_OFFSET_S,
    channels: Sequence[str] | None = None,
    features: Sequence[str] = IMAGERY_FEATURES,
    info: StreamInfo | None = None,
) -> ChainSpec:
    """Return the chain for cued imagery: causal filters, windows after the cue, decoder.

    Parameters
    ----------
    decoder : str
        One of `IMAGERY_DECODERS`: ``"csp_lda"``, ``"mdm"``, ``"fgmdm"``, ``"ts_lr"``, ``"ts_svm"``, ``"ts_en"``
        (tangent space, three classifiers), ``"acm"`` behind one band-pass; ``"fbcsp"`` behind nine bands of 4 Hz;
        ``"feature_lda"``, which picks features of the spectrum; ``"band_power_lda"`` behind the bands of `features`.
    lengths_s : sequence of float
        Window lengths, seconds.
    offset_s : float
        From the cue to the window's start, seconds.
    channels : sequence of str or None
        Which channels `csp_lda` sees; None takes all EEG channels.
    features : sequence of str
        What `band_power_lda` sees, ``"C3:8-12"``.
    info : StreamInfo or None
        The stream; `feature_lda` needs it, for the rate and, without `channels`, the names.

    Raises
    ------
    DecoderError
        If the decoder is not made for imagery.
    ValueError
        If a feature is written wrongly.
    """
    window = WindowSpec(tuple(lengths_s), offset_s)
    select = StageSpec("select", {} if channels is None else {"channels": list(channels)})
    if decoder in _BROAD:
        band = {"kind": "bandpass", "cutoff_hz": list(IMAGERY_BAND_HZ), "order": 4}
        name, params = _BROAD[decoder]
        return ChainSpec((select, StageSpec("sos", band)), window, name, dict(params))
    if decoder == "fbcsp":
        bank = {"pass_bands_hz": [list(band) for band in FBCSP_BANDS_HZ], "order": 2, "ripple_db": 0.5}
        params = {"n_bands": len(FBCSP_BANDS_HZ), "n_pairs": 2, "n_selected": 4}
        return ChainSpec((select, StageSpec("filter_bank", bank)), window, decoder, params)
    if decoder == "feature_lda":
        return _features_chain(window, select, info, channels)
    if decoder == "band_power_lda":
        parsed = [parse_feature(text) for text in features]
        names = list(dict.fromkeys(channel for channel, _ in parsed))
        bands = [list(band) for band in dict.fromkeys(band for _, band in parsed)]
        stages = (
            StageSpec("select", {"channels": names}),
            StageSpec("filter_bank", {"pass_bands_hz": bands, "order": 2, "ripple_db": 0.5}),
        )
        params = {"features": list(features), "channels": names, "bands_hz": bands}
        return ChainSpec(stages, window, decoder, params)
    raise DecoderError(
        f"decoder {decoder!r} is not made for motor imagery",
        reason=Reason.NOT_FOUND,
        hint=f"use {' or '.join(IMAGERY_DECODERS)}",
    )


def _features_chain(
    window: WindowSpec, select: StageSpec, info: StreamInfo | None, channels: Sequence[str] | None
) -> ChainSpec:
    """Return the chain of picked features: a high-pass takes the drift off, spectra do the rest."""
    if info is None:
        raise ValueError("info: got None, feature_lda needs the stream's rate and channels")
    names = list(channels or (c.name for c in info.channels if c.kind is ChannelKind.EEG))
    rest = {"kind": "highpass", "cutoff_hz": [1.0], "order": 2}
    return ChainSpec(
        (select, StageSpec("sos", rest)), window, "feature_lda", {"rate_hz": info.rate_hz, "channels": names}
    )
