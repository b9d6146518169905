"""``volo import``: a recording of another program as XDF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "Turn a recording of another program into XDF: the signal in its own precision, the events as stimulus markers."
EXAMPLE = "volo import s01_raw.fif --events s01-eve.fif --event-map 2=13,3=21,4=17 --unit arbitrary --out recordings"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="the recording: a continuous FIF file of MNE")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the new file; made if it is not there")
    parser.add_argument("--events", metavar="FILE", help="its events: an -eve.fif file of MNE")
    parser.add_argument(
        "--event-map", type=_event_map, metavar="CODE=LABEL,...", help="which codes are stimuli, and of which class"
    )
    parser.add_argument("--unit", metavar="UNIT", help="unit of the values, where the file's own is wrong")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Import one file.

    Raises
    ------
    WrongUsage
        If there is an event map but no events.
    FileError
        If the file cannot be read, or the new one cannot be written or exists.
    """
    from volo_acquisition.errors import FileError, Reason
    from volo_acquisition.recording.recorder import XdfRecorder
    from volo_app.console import WrongUsage
    from volo_app.datasets.fif import read_fif

    if args.event_map and not args.events:
        raise WrongUsage("argument --event-map: needs --events")
    path = Path(args.file).absolute()
    if path.suffixes[-1:] != [".fif"] and path.suffixes[-2:] != [".fif", ".gz"]:
        raise FileError(
            f"{path}: got a file that does not end in .fif or .fif.gz",
            reason=Reason.UNSUPPORTED,
            hint="only FIF files of MNE can be imported yet",
        )
    events = Path(args.events).absolute() if args.events else None
    recording = read_fif(path, events, args.event_map, args.unit)
    header = {"task": "import", "created_at": recording.recorded_utc, "imported_from": path.name}
    target = Path(args.out).absolute() / f"{recording.info.stream_id}.xdf"
    with XdfRecorder(target, header=header) as recorder:
        recorder.add_stream(recording.info)
        for item in recording.items():
            recorder.write_item(item)
    onsets = [marker.payload["target"] for marker in recording.markers if marker.label == "stimulus/onset"]
    targets = {target: onsets.count(target) for target in sorted(set(onsets))}
    console.print(f"{target}: {recording.duration_s:.1f} s, {recording.info.n_channels} channels, {len(onsets)} trials")
    return {
        "file": target,
        "samples": {recording.info.stream_id: len(recording.samples)},
        "rate_hz": recording.info.rate_hz,
        "dtype": recording.info.dtype,
        "channels": recording.info.channel_names,
        "markers": len(recording.markers),
        "targets": targets,
        "duration_s": recording.duration_s,
    }


def _event_map(text: str) -> dict[int, str]:
    from volo_app.datasets.fif import parse_event_map

    try:
        return parse_event_map(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
