"""`volo spell`: online spelling with a trained decoder."""

from __future__ import annotations

import argparse

from volo_app.console import Console, WrongUsage

HELP = "spell online with a trained decoder: a simulated participant, or a live source with an external presenter"
EXAMPLE = """examples:
  volo spell --decoder my-decoder --text "HELLO"
  volo spell --decoder my-decoder --text "HELLO" --realtime
  volo spell --decoder my-decoder --source lsl:name=EEG,marker_name=Presenter --participant P001"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--decoder", required=True, metavar="DIR", help="folder of `volo train`, or an .onnx file")
    parser.add_argument(
        "--source",
        default="synthetic",
        metavar="NAME",
        help="synthetic (default), or a live source whose LSL marker stream tells each onset, e.g. "
        "lsl:name=EEG,marker_name=Presenter",
    )
    parser.add_argument("--text", help="synthetic: what the simulated participant wants to write")
    parser.add_argument("--seed", type=int, default=2, help="synthetic: of the brain's noise (default 2)")
    parser.add_argument("--realtime", action="store_true", help="synthetic: at 1x over a real LSL stream")
    parser.add_argument("--layout", default="benchmark40", help="keys: a layout's name or file (default benchmark40)")
    parser.add_argument("--participant", help="code of the participant (synthetic: median or a number)")
    parser.add_argument("--duration", type=float, metavar="S", help="live: end after so many seconds of signal")
    parser.add_argument("--workspace", metavar="DIR", help="where the session goes (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Spell and return the figures."""
    from dataclasses import asdict
    from pathlib import Path

    from volo_acquisition.clock import SessionClock
    from volo_acquisition.sources.spec import make_source
    from volo_app.demo import DemoSettings, spell, spelling_summary
    from volo_app.outputs.console import ConsoleOutput
    from volo_app.realtime import spell_realtime
    from volo_app.roles.link import run_in_roles
    from volo_app.session import create_session, default_workspace
    from volo_decoders.store import load_decoder, save_decoder
    from volo_paradigms.layout import load_layout

    fitted = load_decoder(Path(args.decoder))
    layout = load_layout(args.layout)
    workspace = Path(args.workspace) if args.workspace else default_workspace()
    name = fitted.spec.decoder
    if args.source != "synthetic":
        if args.text or args.realtime:
            raise WrongUsage("--text and --realtime are for the synthetic source")
        make_source(args.source, SessionClock())  # refuses a text that names none
        code = args.participant or "P001"
        session = create_session(workspace, code, task="ssvep", settings={"source": args.source, "layout": args.layout})
        save_decoder(session.decoder_dir(name), fitted)
        summary = run_in_roles(
            "volo_app.spelling:presented_work",
            {
                "folder": str(session.folder),
                "name": name,
                "source": args.source,
                "layout": args.layout,
                "duration_s": args.duration,
            },
            workspace=str(workspace),
            on_text=console.write,
            on_warning=console.warn,
        )
        console.print()
        return summary
    try:
        settings = DemoSettings(
            **({"text": args.text} if args.text else {}),
            participant=args.participant or "median",
            seed=args.seed - 1,
            decoder=name,
            layout=args.layout,
            rate_hz=fitted.contract.rate_hz,
        )
        layout.spell(settings.text)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    session = create_session(workspace, "SIM", task="ssvep", settings=asdict(settings))
    save_decoder(session.decoder_dir(name), fitted)
    if args.realtime:
        summary = spell_realtime(session, settings, on_text=console.write, on_warning=console.warn)
        console.print()
        return summary
    result, paradigm = spell(session, settings, fitted, outputs=(ConsoleOutput(console),))
    console.print()
    result.require_decoder(session.folder)
    return dict(spelling_summary(result, paradigm.text, layout, settings, session))
