"""Pseudo-online evaluation of the SSVEP exoskeleton recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from volo_acquisition.errors import DecoderError, Reason
from volo_app.datasets import ssvep_exo
from volo_app.pseudo_online import CHUNK_SAMPLES, Evaluation, TrialResult, decode_recorded, fit_to_others
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.training import fit_chain

__all__ = ["CHUNK_SAMPLES", "EXO_OFFSET_S", "Evaluation", "TrialResult", "evaluate_ssvep_exo", "exo_chain"]

#: From the cue to the window's start: reaction, gaze shift and visual latency, seconds.
EXO_OFFSET_S = 0.5
#: Three sub-bands that pass the first, second and third harmonics on (13 to 21 Hz stimuli).
EXO_BANDS_HZ = ((6.0, 88.0), (14.0, 88.0), (22.0, 88.0))


def exo_chain(decoder: str, window_s: float, rate_hz: float) -> ChainSpec:
    """Return the chain for the exoskeleton recordings.

    Raises
    ------
    DecoderError
        If the decoder is not made for them.
    """
    if decoder == "fbcca":
        params: dict[str, object] = {
            "frequencies_hz": [float(c) for c in ssvep_exo.CLASSES],
            "class_names": list(ssvep_exo.CLASSES),
            "rate_hz": rate_hz,
            "n_harmonics": 4,
            "n_bands": len(EXO_BANDS_HZ),
        }
    elif decoder == "etrca":
        params = {"n_bands": len(EXO_BANDS_HZ)}
    else:
        raise DecoderError(
            f"decoder {decoder!r} is not made for ssvep_exo", reason=Reason.NOT_FOUND, hint="use fbcca or etrca"
        )
    bank = {"pass_bands_hz": [list(band) for band in EXO_BANDS_HZ], "order": 4, "ripple_db": 0.5}
    stages = (StageSpec("select"), StageSpec("filter_bank", bank))
    return ChainSpec(stages, WindowSpec((window_s,), EXO_OFFSET_S), decoder, params)


def evaluate_ssvep_exo(
    data_root: Path,
    decoder: str,
    window_s: float,
    *,
    only: Sequence[str] = (),
    chunk_samples: int = CHUNK_SAMPLES,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Decode every control trial (rest left out) of every subject found, three classes.

    Decoders that need calibration are trained on the subject's other sessions; a subject with one session only is
    left out and named. Decoders that need none are used as they are.

    Parameters
    ----------
    data_root : Path
        Holds ``ssvep_exo``.
    decoder : str
        ``"fbcca"`` or ``"etrca"``.
    window_s : float
        Length of the window, from 0.5 s after the cue.
    only : sequence of str
        Subjects to use; empty means all.
    chunk_samples : int
        The results do not depend on it.
    progress : callable or None
        Told each subject that is done.
    """
    evaluation = Evaluation()
    for subject in only or ssvep_exo.subjects(data_root):
        sessions = ssvep_exo.load_sessions(data_root, subject)
        for session in sessions:
            spec = exo_chain(decoder, window_s, session.info.rate_hz)
            others = [other for other in sessions if other is not session]
            fitted = _fit(spec, session, others)
            if fitted is None:
                evaluation.left_out.append(f"subject {subject}: one session only, nothing to train on")
                continue
            evaluation.add(session, decode_recorded(fitted, session, chunk_samples))
        if progress is not None:
            progress(subject)
    return evaluation


def _fit(spec: ChainSpec, session: ssvep_exo.ExoSession, others: list[ssvep_exo.ExoSession]) -> FittedChain | None:
    if spec.decoder == "fbcca":
        return fit_chain(spec, session.info, (), dynamic=False)
    return fit_to_others(spec, others) if others else None
