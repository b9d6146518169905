"""`volo scenes`: images of all scenes, and a table of what flickers."""

from __future__ import annotations

import argparse

from volo_app.console import CommandFailed, Console, WrongUsage

HELP = "draw every scene of every paradigm into image files, and judge what flickers"
EXAMPLE = """examples:
  volo scenes --out scenes
  volo scenes --out scenes --paradigm p300_speller --size 1280x720
  volo scenes --audit"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--out", metavar="DIR", help="folder for the images; needs a display")
    parser.add_argument("--audit", action="store_true", help="only judge the flicker; needs no display")
    parser.add_argument("--paradigm", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument(
        "--size",
        action="append",
        metavar="WxH",
        help="size of the window in pixels; may be repeated (default 1280x720 and 1024x768)",
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Draw, judge and return both."""
    from pathlib import Path

    from volo_app.stimulus.gallery import audit_flicker, paradigm_names

    if not (args.out or args.audit):
        raise WrongUsage("give --out DIR for images, or --audit for the table alone")
    known = paradigm_names()
    names = args.paradigm or known
    for name in names:
        if name not in known:
            raise WrongUsage(f"--paradigm: got {name!r}, known are {', '.join(known)}")
    sizes = [_size(text) for text in args.size or ("1280x720", "1024x768")]
    images: list[str] = []
    if args.out:
        from volo_app.stimulus.photographs import photograph

        images = photograph(names, sizes, Path(args.out), on_image=console.print)
    rows = [audit_flicker(name) for name in names]
    console.print(f"{'paradigm':<20} {'keys, flashes/s':>16} {'area, sr':>10} {'else, flashes/s':>16} red")
    for row in rows:
        console.print(
            f"{row.paradigm:<20} {row.stimulus_flashes_per_s:>16} {row.area_sr:>10.4f} "
            f"{row.other_flashes_per_s:>16} {'yes' if row.red else 'no'}"
        )
    table = [
        {
            "paradigm": row.paradigm,
            "stimulus_flashes_per_s": row.stimulus_flashes_per_s,
            "area_sr": row.area_sr,
            "other_flashes_per_s": row.other_flashes_per_s,
            "red": row.red,
            "ok": row.is_fine,
        }
        for row in rows
    ]
    result: dict[str, object] = {"images": images, "audit": table, "ok": all(row.is_fine for row in rows)}
    if not result["ok"]:
        bad = ", ".join(row.paradigm for row in rows if not row.is_fine)
        raise CommandFailed(result, f"something else than the keys flickers, or something red does: {bad}")
    return result


def _size(text: str) -> tuple[int, int]:
    wide, _, high = text.lower().partition("x")
    if not (wide.isdecimal() and high.isdecimal() and int(wide) >= 320 and int(high) >= 240):
        raise WrongUsage(f"--size: got {text!r}, expected at least 320x240, e.g. 1280x720")
    return int(wide), int(high)
