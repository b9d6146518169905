"""Training from recordings on disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.types import Item, StreamInfo
from volo_app.trial_frames import without_missed_frames
from volo_decoders.chain import ChainSpec
from volo_decoders.fitted import FittedChain
from volo_decoders.training import fit_chain

__all__ = ["require_whole", "train_file"]


def require_whole(recording: Recording) -> None:
    """Refuse a recording of which something is damaged or missing.

    Raises
    ------
    FileError
        DAMAGED, naming the file and the first problem.
    """
    if recording.own and recording.problems:
        raise FileError(
            f"{recording.path} is damaged: {recording.problems[0]}",
            reason=Reason.DAMAGED,
            hint=f"volo repair {recording.path.name}",
        )


def train_file(
    path: Path,
    make_chain: Callable[[StreamInfo], ChainSpec],
    *,
    stream: str = "",
    threshold: float = 0.95,
    rule: str = "dynamic",
    max_missed: float = math.inf,
    dynamic: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> FittedChain:
    """Fit a chain to one recording.

    Parameters
    ----------
    path : Path
        A calibration with onset markers that name their targets.
    make_chain : callable
        Given the recorded stream, returns the chain to fit.
    stream : str
        Which signal stream, needed if there are several.
    threshold : float
        Confidence at which dynamic stopping decides.
    rule : str
        When to decide, see `fit_chain`.
    max_missed : float
        Trials whose stimulus missed more frames than that are left out, and counted.
    dynamic : bool
        False decides at the longest window only.
    progress : callable or None
        Told (blocks done, blocks).

    Raises
    ------
    FileError, DecoderError
        If the file is absent or damaged, or does not suffice.
    """
    recording = Recording.open(path)
    require_whole(recording)
    source = ReplaySource(ReplaySource.Settings(file=str(path), speed=0.0, stream=stream), ManualClock())
    (info,) = [info for info in source.open() if info.rate_hz > 0.0]
    items: list[Item] = []
    while not source.exhausted:
        items += source.read(0.0)
    source.close()
    items, n_left_out = without_missed_frames(items, max_missed)
    provenance = {"recording": path.name, "simulated": recording.header.get("simulated", "false")}
    if n_left_out:
        provenance["n_missed_frames"] = str(n_left_out)
    return fit_chain(
        make_chain(info),
        info,
        items,
        threshold=threshold,
        dynamic=dynamic,
        rule=rule,
        provenance=provenance,
        progress=progress,
    )
