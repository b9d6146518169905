"""What was measured of a rig's timing, kept with the rig: values, a file, and one page to read. Not: measuring."""

from __future__ import annotations

import hashlib
import html
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from volo_acquisition.errors import FileError, Reason
from volo_app.stimulus.messages import ScreenInfo

__all__ = ["Certificate", "load_certificate", "rig_folder", "rig_id", "save_certificate"]

SCHEMA = "volo.certificate/1"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The timing of one rig; times in milliseconds.

    Attributes
    ----------
    rig : str
        See `rig_id`.
    made_utc : str
        When.
    renderer, display, size, pacing : str
        Of the rig.
    refresh_hz : float
        Measured.
    n_frames, n_late, n_missed : int
        Frames watched, and those that were late or never came.
    jitter_sd_ms, jitter_p99_ms : float
        Of the durations of frames that were not late.
    queue_frames : int
        How many frames the driver takes before it waits: more than one means that light comes later than told.
    marker_mean_ms, marker_sd_ms, marker_max_ms : float
        Of the markers against a patch seen by software.
    light_lag_ms, light_sd_ms : float or None
        Of the light against the swaps, by a photodiode; None if there was none.
    light_missed : int
        Frames the photodiode did not see.
    failures : tuple of str
        What does not suffice.
    not_verified : tuple of str
        What this cannot tell.
    """

    rig: str
    made_utc: str
    renderer: str
    display: str
    size: str
    pacing: str
    refresh_hz: float
    n_frames: int
    n_late: int
    n_missed: int
    jitter_sd_ms: float
    jitter_p99_ms: float
    queue_frames: int
    marker_mean_ms: float
    marker_sd_ms: float
    marker_max_ms: float
    light_lag_ms: float | None = None
    light_sd_ms: float | None = None
    light_missed: int = 0
    failures: tuple[str, ...] = ()
    not_verified: tuple[str, ...] = ()


def rig_id(info: ScreenInfo) -> str:
    """Return what tells one rig from another: renderer, display, size and rounded rate."""
    words = f"{info.renderer}|{info.platform}|{info.display}|{info.width}x{info.height}|{round(info.refresh_hz)}"
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def rig_folder(workspace: Path, rig: str) -> Path:
    """Return where a rig's certificate is."""
    return workspace / "rigs" / rig


def save_certificate(folder: Path, certificate: Certificate) -> Path:
    """Write ``certificate.json`` and the page ``certificate.html``; return the page's path.

    Raises
    ------
    FileError
        If they cannot be written.
    """
    content = {"schema": SCHEMA, **asdict(certificate)}
    page = folder / "certificate.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "certificate.json").write_text(json.dumps(content, indent=1), encoding="utf-8", newline="\n")
        page.write_text(_page(certificate), encoding="utf-8", newline="\n")
    except OSError as error:
        raise FileError(
            f"{folder} cannot be written: {error.strerror}", reason=Reason.NOT_WRITABLE, hint="choose another workspace"
        ) from error
    return page


def load_certificate(folder: Path) -> Certificate | None:
    """Return the certificate in a folder; None if there is none that can be read."""
    try:
        content: dict[str, Any] = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
        if content.pop("schema", None) != SCHEMA:
            return None
        for name in ("failures", "not_verified"):
            content[name] = tuple(content[name])
        return Certificate(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _page(c: Certificate) -> str:
    share = 100.0 * c.n_missed / max(1, c.n_frames)
    light = "no photodiode was there"
    if c.light_lag_ms is not None and c.light_sd_ms is not None:
        light = f"{c.light_lag_ms:.2f} ms after the swap, sd {c.light_sd_ms:.2f} ms, {c.light_missed} frames unseen"
    rows = [
        ("Rig", c.rig),
        ("Made", c.made_utc),
        ("Renderer", c.renderer),
        ("Display", f"{c.display}, {c.size}, frames by {c.pacing}"),
        ("Refresh rate, measured", f"{c.refresh_hz:.4f} Hz"),
        ("Frames watched", f"{c.n_frames}: {c.n_late} late, {c.n_missed} missed ({share:.3f} %)"),
        ("Jitter of frames", f"sd {c.jitter_sd_ms:.3f} ms, 99th percentile {c.jitter_p99_ms:.3f} ms"),
        ("Frames in the driver's queue", f"{c.queue_frames}"),
        (
            "Marker against patch, in software",
            f"mean {c.marker_mean_ms:.2f} ms, sd {c.marker_sd_ms:.2f} ms, largest {c.marker_max_ms:.2f} ms",
        ),
        ("Light against swap, by photodiode", light),
    ]
    table = "\n".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows)
    verdict = "Timing verified" if not c.failures else "Timing not verified"
    lists = "".join(
        f"<h2>{title}</h2><ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        for title, items in (("What does not suffice", c.failures), ("What this cannot tell", c.not_verified))
        if items
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Timing certificate {html.escape(c.rig)}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em; color: #222; }}
h1 {{ font-size: 1.5em; border-left: 6px solid {"#2a9d5c" if not c.failures else "#c77d0a"}; padding-left: .5em; }}
h2 {{ font-size: 1.1em; }} table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .3em .6em; border-bottom: 1px solid #ddd; vertical-align: top; }}
th {{ font-weight: 600; width: 42%; }}
</style></head><body>
<h1>{verdict}</h1>
<table>
{table}
</table>
{lists}
</body></html>
"""
