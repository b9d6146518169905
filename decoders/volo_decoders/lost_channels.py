"""When a channel dies in the middle of a session: the same chain without it, from the stored calibration.

Nothing is recorded anew. The windows of the calibration are kept as they were cut; the rows of the dead channels are
left out, a new decoder is fitted to what remains, and what that costs is told from the calibration itself: accuracy
with and without the channels on blocks that the decoder has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, Reason
from volo_decoders.base import Decoder
from volo_decoders.chain import ChainSpec, StageSpec, build_decoder
from volo_decoders.fitted import FittedChain, make_id
from volo_decoders.training import time_folds
from volo_decoders.types import Window

__all__ = ["ExpectedCost", "without_channels"]


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """What leaving channels out is expected to cost, for the operator.

    Attributes
    ----------
    lost : tuple of str
        The channels.
    before, after : float
        Accuracy on held-out blocks of the calibration, with and without them, 0 to 1; NaN where the calibration is too
        small to hold blocks out.
    n_trials : int
        Trials they were measured on.
    """

    lost: tuple[str, ...]
    before: float
    after: float
    n_trials: int

    def __str__(self) -> str:
        """One line for the operator."""
        names = ", ".join(self.lost)
        if np.isnan(self.before):
            return f"without {names}: refitted; too few trials to tell what it costs"
        change = f"{100 * self.before:.0f} % with, {100 * self.after:.0f} % without"
        return f"without {names}: {change}, expected from {self.n_trials} trials of the calibration"


def without_channels(
    fitted: FittedChain, windows: Sequence[Window], lost: Sequence[str]
) -> tuple[FittedChain, ExpectedCost]:
    """Fit a chain anew without channels.

    Parameters
    ----------
    fitted : FittedChain
        The chain in use; it names its channels in a ``select`` stage, as `fit_chain` leaves it.
    windows : sequence of Window
        The calibration's labelled windows of the longest length, as `collect_windows` cuts them with this chain; empty
        for decoders without calibration.
    lost : sequence of str
        Channels that died.

    Raises
    ------
    DecoderError
        If the chain does not use such a channel, mixes channels before the decoder so that one cannot be left out of
        stored windows, or too little is left.
    """
    names = _selected(fitted.spec)
    unknown = [name for name in lost if name not in names]
    kept = [name for name in names if name not in lost]
    if unknown or not kept:
        raise DecoderError(
            f"channels {', '.join(unknown) or 'all'} cannot be left out of the decoder's {', '.join(names)}",
            reason=Reason.WRONG_CHANNELS,
            hint="name channels the decoder uses, and leave it at least one",
        )
    mixing = [stage.name for stage in fitted.spec.stages if stage.name in _MIXING]
    if mixing and len(windows):
        raise DecoderError(
            f"stage {', '.join(mixing)} mixed the lost channels into the others in the stored calibration",
            reason=Reason.WRONG_CHANNELS,
            hint="train again on the recording with the channels left out",
        )
    spec = _selecting(fitted.spec, kept)
    rows = np.array([name in kept for name in names])
    decoder, cost = build_decoder(spec), ExpectedCost(tuple(lost), float("nan"), float("nan"), 0)
    if fitted.decoder.needs_calibration:
        if not len(windows):
            raise DecoderError(
                "there is no stored calibration to fit from", reason=Reason.NO_DATA, hint="calibrate again"
            )
        X = np.stack([window.samples for window in windows])
        labels = [str(window.label) for window in windows]
        n_bands, rest = divmod(X.shape[1], len(names))
        if rest:
            raise DecoderError(
                f"windows of {X.shape[1]} rows do not belong to {len(names)} channels",
                reason=Reason.WRONG_CHANNELS,
                hint="cut them with the chain that is in use",
            )
        fewer = np.ascontiguousarray(X[:, np.tile(rows, n_bands)])
        folds = time_folds(labels, [window.group for window in windows])
        before, after = (_held_out(fitted.spec, part, labels, folds) for part in (X, fewer))
        cost = ExpectedCost(tuple(lost), before, after, len(labels))
        decoder.fit(fewer, np.array(labels))
    else:
        decoder.fit(None, None)
    channels = tuple(c for c in fitted.contract.channels if c.name not in lost)
    contract = replace(fitted.contract, channels=channels)
    told = {**fitted.provenance, "lost_channels": ", ".join(lost)}
    return FittedChain(spec, decoder, fitted.stopping, contract, make_id(spec, decoder), told), cost


#: Stages after which a window's rows are not single channels any more.
_MIXING = ("common_average", "laplacian", "bipolar", "eog_regression")


def _selected(spec: ChainSpec) -> list[str]:
    for stage in spec.stages:
        if stage.name == "select" and stage.params.get("channels") is not None:
            return [str(name) for name in stage.params["channels"]]
    raise DecoderError(
        "the chain does not name its channels",
        reason=Reason.WRONG_CHANNELS,
        hint="begin it with a select stage that does, as volo train writes it",
    )


def _selecting(spec: ChainSpec, kept: list[str]) -> ChainSpec:
    stages = tuple(
        StageSpec("select", {**stage.params, "channels": kept}) if stage.name == "select" else stage
        for stage in spec.stages
    )
    return replace(spec, stages=stages)


def _held_out(spec: ChainSpec, X: NDArray[np.float32], labels: Sequence[str], folds: NDArray[np.intp]) -> float:
    """Accuracy on blocks that are left out one after the other, in at most five parts."""
    y = np.array(labels)
    parts = np.minimum(folds * 5 // (int(folds.max()) + 1), 4) if len(folds) else folds
    right = np.zeros(len(y), bool)
    for part in np.unique(parts):
        test = parts == part
        decoder: Decoder = build_decoder(spec)
        try:
            decoder.fit(X[~test], y[~test])
        except ValueError:
            return float("nan")
        right[test] = np.asarray(decoder.classes_)[decoder.decision_function(X[test]).argmax(axis=1)] == y[test]
    return float(right.mean())
