"""Plain canonical correlation analysis: SSVEP without calibration and without sub-bands."""

from __future__ import annotations

from collections.abc import Sequence

from volo_decoders.ssvep.fbcca import FBCCA

__all__ = ["CCA"]


class CCA(FBCCA):
    """Compare windows with sines and cosines of each target's frequency: `FBCCA` with one band.

    Parameters
    ----------
    frequencies_hz, class_names, rate_hz, n_harmonics
        As in `FBCCA`.

    References
    ----------
    Lin et al. 2006, IEEE Trans. Biomed. Eng. 53:2610, DOI 10.1109/TBME.2006.886577.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
    ) -> None:
        super().__init__(frequencies_hz, class_names, rate_hz=rate_hz, n_harmonics=n_harmonics)
