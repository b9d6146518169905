"""``volo record``: a source to a file, and nothing in between."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from volo_app.json_values import dump_json
from volo_app.stopping import stop_signals

if TYPE_CHECKING:
    from volo_acquisition.errors import DeviceError
    from volo_acquisition.recording.recorder import XdfRecorder
    from volo_acquisition.types import StreamInfo
    from volo_app.capture import Tally
    from volo_app.console import Console, Progress

HELP = "Record a source to a new XDF file until the time is up, the source ends, or Ctrl-C; all three end it cleanly."
EXAMPLE = "volo record --source synthetic --duration 60 --out recordings"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--source",
        required=True,
        metavar="NAME",
        help="what to record, as shown by volo devices: NAME or NAME:key=value,...",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the file; made if it is not there")
    parser.add_argument("--duration", type=_seconds, metavar="S", help="seconds from the first data (default: no end)")
    parser.add_argument("--markers", metavar="lsl:NAME", help="record the markers of an LSL stream as well")
    parser.add_argument(
        "--no-data", type=_seconds, default=5.0, metavar="S", help="give up after this long without data (default: 5)"
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Record, and return what came.

    Raises
    ------
    VoloError
        If the source cannot be opened or falls silent, or the file cannot be written; what came before is kept.
    """
    from volo_app.roles.run import Run
    from volo_app.roles.source_process import MARKERS_PREFIX

    asked: list[bool] = []  # filled by a signal handler, hence no lock
    with stop_signals(lambda: asked.append(True)), ExitStack() as stack:
        texts = [args.source, *([f"{MARKERS_PREFIX}{args.markers}"] if args.markers else [])]
        recording = Run(texts)
        stack.callback(recording.close)

        from volo_acquisition.errors import DeviceError
        from volo_acquisition.sources.spec import parse_spec

        infos = recording.open()
        folder = Path(args.out).absolute()
        _prepare(folder, infos, args.duration, console)
        recorder = _make_recorder(folder, parse_spec(args.source).name, infos)
        recording.record(recorder, recorder.path)
        tally = recording.tally
        bar = _LateBar(console, stack, args.duration)
        try:
            recording.capture(
                duration_s=args.duration,
                stopped=lambda: bool(asked),
                no_data_s=args.no_data,
                steady=any(info.rate_hz > 0.0 for info in infos),
                on_data=bar.show,
            )
        except DeviceError as error:
            raise _with_what_is_kept(args.source, error, recording.close() or recorder.part, tally) from error
        final = recording.close() or recorder.part
    for problem in tally.problems:
        console.warn(problem)
    samples = {info.stream_id: tally.samples[info.stream_id] for info in infos}
    console.print(f"{final}: {tally.duration_s:.1f} s, {sum(samples.values())} samples, {tally.gaps} gaps")
    return {
        "file": final,
        "samples": samples,
        "markers": tally.markers,
        "gaps": tally.gaps,
        "lost": tally.lost,
        "duration_s": tally.duration_s,
        "events": dict(tally.events),
        "problems": tally.problems,
        "stopped_by_signal": bool(asked),
        "simulated": _is_simulated(infos),
    }


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"got {text!r}, it must be a number of seconds above 0")
    return value


def _is_simulated(infos: Sequence[StreamInfo]) -> bool:
    """Return whether a source says of itself that its person is simulated."""
    return any("simulated" in info.source.lower() for info in infos)


def _prepare(folder: Path, infos: Sequence[StreamInfo], duration_s: float | None, console: Console) -> None:
    """Repair what an earlier run left in the folder, and see whether this one fits on the disk."""
    from volo_acquisition.recording.leftovers import repair_leftovers
    from volo_acquisition.recording.space import check_space

    for leftover in repair_leftovers(folder):
        if leftover.report is None:
            console.warn(f"left by an earlier run: {leftover.problem}")
        else:
            console.print(f"{leftover.report.path}: left by an earlier run, repaired")
    if warning := check_space(folder, infos, duration_s):
        console.warn(warning)


def _make_recorder(folder: Path, name: str, infos: Sequence[StreamInfo]) -> XdfRecorder:
    """Create the recording with the next free run number in `folder`."""
    from volo_acquisition.errors import FileError, Reason
    from volo_acquisition.recording.recorder import XdfRecorder
    from volo_app.session import utc_now, versions

    header = {"task": "record", "source": name, "created_at": utc_now(), "versions": dump_json(versions())}
    header["simulated"] = str(_is_simulated(infos)).lower()
    safe = re.sub(r"[^A-Za-z0-9-]+", "-", name)
    run = 1
    while True:
        path = folder / f"{safe}_run-{run:02d}_eeg.xdf"
        try:
            recorder = XdfRecorder(path, header=header)
        except FileError as error:
            if error.reason is not Reason.EXISTS:
                raise
            run += 1
            continue
        for info in infos:
            recorder.add_stream(info)
        return recorder


def _with_what_is_kept(source: str, error: DeviceError, path: Path, tally: Tally) -> DeviceError:
    """Return `error` with a word on what was recorded before it; a file of nothing is removed."""
    from volo_acquisition.errors import DeviceError
    from volo_acquisition.recording.sealing import remove

    if tally.is_empty:
        remove(path)
        kept = "nothing was recorded"
    else:
        kept = f"the {tally.duration_s:.1f} s before are safe in {path}"
    return DeviceError(f"{source}: {error.message}; {kept}", reason=error.reason, hint=error.hint)


class _LateBar:
    """A progress bar that is imported and shown only when data have been coming for a second."""

    def __init__(self, console: Console, stack: ExitStack, duration_s: float | None) -> None:
        self._console = console
        self._stack = stack
        self._duration_s = duration_s
        self._bar: Progress | None = None
        self._shown_s = 0.0

    def show(self, done_s: float) -> None:
        """Take note that `done_s` seconds are recorded."""
        if self._bar is None:
            if done_s < 1.0:
                return
            self._bar = self._stack.enter_context(self._console.progress("recording", self._duration_s))
        self._bar.advance(done_s - self._shown_s)
        self._shown_s = done_s
