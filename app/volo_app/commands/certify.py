"""`volo certify`: measure a rig's timing and keep a certificate."""

from __future__ import annotations

import argparse

from volo_app.console import CommandFailed, Console, WrongUsage

HELP = "measure how well this rig keeps time, and keep a one-page certificate"
EXAMPLE = """examples:
  volo certify --stimulus full-screen --seconds 60
  volo certify --stimulus full-screen --source brainflow:cyton --photodiode A8 --patch lower-right"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long to watch (default 30)")
    parser.add_argument("--stimulus", choices=("auto", "full-screen", "window"), default="auto", help="where to show")
    parser.add_argument("--display", type=int, default=-1, metavar="N", help="which display, from 0 (default the last)")
    parser.add_argument("--profile", default="", metavar="FILE", help="profile of the display (.toml)")
    parser.add_argument("--patch", default="lower-right", metavar="CORNER", help="where the patch is")
    parser.add_argument("--source", default="", metavar="NAME", help="an amplifier with a photodiode on the patch")
    parser.add_argument("--photodiode", default="", metavar="CHANNEL", help="the photodiode's channel of that source")
    parser.add_argument("--workspace", metavar="DIR", help="where the certificate goes (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Measure, keep the certificate, and fail if it does not suffice."""
    from dataclasses import asdict
    from pathlib import Path

    from volo_acquisition.clock import SessionClock
    from volo_acquisition.sources.spec import make_source
    from volo_app.session import default_workspace
    from volo_app.stimulus.certificate import rig_folder, save_certificate
    from volo_app.stimulus.certify import certify
    from volo_app.stimulus.process import ScreenSettings

    if bool(args.source) != bool(args.photodiode):
        raise WrongUsage("--source and --photodiode go together")
    if not 2.0 <= args.seconds <= 3600.0:
        raise WrongUsage(f"--seconds: got {args.seconds:g}, allowed is 2 to 3600")
    try:
        settings = ScreenSettings(
            "four", args.stimulus, display=args.display, profile=args.profile, patch=args.patch, ramp_s=0.0
        )
        clock = SessionClock()
        photodiode = (make_source(args.source, clock), args.photodiode) if args.source else None
        with console.progress("Watching", 1.0) as bar:
            done = 0.0

            def tell(share: float) -> None:
                nonlocal done
                bar.advance(share - done)
                done = share

            info, certificate = certify(
                settings, seconds=args.seconds, photodiode=photodiode, clock=clock, progress=tell
            )
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    workspace = Path(args.workspace) if args.workspace else default_workspace()
    page = save_certificate(rig_folder(workspace, certificate.rig), certificate)
    console.print(info.line())
    console.print(
        f"{certificate.refresh_hz:.4f} Hz, jitter sd {certificate.jitter_sd_ms:.3f} ms, "
        f"{certificate.n_missed} of {certificate.n_frames} frames missed"
    )
    for item in certificate.failures:
        console.print(f"does not suffice: {item}")
    for item in certificate.not_verified:
        console.print(f"cannot be told: {item}")
    console.print(f"certificate: {page}")
    result: dict[str, object] = {**asdict(certificate), "page": str(page), "ok": not certificate.failures}
    if certificate.failures:
        raise CommandFailed(result, "the timing of this rig is not verified; the certificate says why")
    return result
