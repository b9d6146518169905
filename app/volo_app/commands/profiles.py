"""``volo profiles``: what is known of amplifiers, and whether a profile of one's own is right."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_acquisition.profiles import Profile
    from volo_app.console import Console

HELP = "List the hardware profiles, show one, or check a file; each name can be written after --source."
EXAMPLE = """examples:
  volo profiles
  volo profiles show openbci_cyton
  volo profiles check my_amplifier.toml"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", nargs="?", choices=("list", "show", "check"), default="list", help="list is default")
    parser.add_argument("profile", nargs="?", metavar="NAME|FILE", help="name of a profile, or path of a .toml file")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """List, show or check.

    Raises
    ------
    VoloError
        If the profile to show is not there or not one.
    """
    from volo_acquisition.profiles import load_profile, profile_names
    from volo_app.console import WrongUsage

    if (args.action == "list") == (args.profile is not None):
        raise WrongUsage("profiles list takes no name, show and check need one: a name or a .toml file")
    if args.action == "list":
        profiles = [load_profile(name) for name in profile_names()]
        width = max(len(profile.name) for profile in profiles)
        for profile in profiles:
            console.print(f"{profile.name:<{width}}  {profile.description} ({_known(profile)})")
        return {"profiles": profiles}
    if args.action == "show":
        profile = load_profile(args.profile)
        _show(profile, console)
        return {"profile": profile}
    return _check(args.profile, console)


def _check(file: str, console: Console) -> dict[str, object]:
    """Check one; the answer "no" lists every problem."""
    from volo_acquisition.errors import ConfigError
    from volo_acquisition.profiles import load_profile, settings_problems
    from volo_app.console import CommandFailed

    problems: list[str] = []
    name = None
    try:
        profile = load_profile(file)
        name = profile.name
        problems = settings_problems(profile, file)
    except ConfigError as error:
        problems = list(error.problems)
    result: dict[str, object] = {"file": file, "name": name, "ok": not problems, "problems": problems}
    if problems:
        for problem in problems:
            console.print(problem)
        raise CommandFailed(result, f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
    console.print(f"{file}: a sound profile")
    return result


def _known(profile: Profile) -> str:
    return "tried on the device" if profile.seen_on_hardware else "never tried on the device"


def _show(profile: Profile, console: Console) -> None:
    def told(value: float | None, unit: str) -> str:
        return "not known" if value is None else f"{value:g} {unit}"

    console.print(f"{profile.name}: {profile.description}")
    asked = ",".join(f"{f.key}={f.example}" for f in profile.connection if f.required)
    console.print(f"  record it   volo record --source {profile.name}{':' + asked if asked else ''} --out DIR")
    console.print(f"  source      {profile.source}")
    console.print(f"  rate        {told(profile.rate_hz or None, 'Hz')}")
    names = ", ".join(channel.name for channel in profile.channels)
    console.print(f"  electrodes  {names or 'as the stream declares them'}")
    limits = "not known" if profile.range_uv is None else "{:g} to {:g} uV".format(*profile.range_uv)
    console.print(f"  range       {limits}")
    console.print(f"  mains       {told(profile.mains_hz or None, 'Hz')}")
    console.print(f"  arrives in  {told(profile.chunk_ms, 'ms')}")
    console.print(f"  latency     {told(profile.latency_s, 's')}: {profile.latency_source}")
    console.print(f"  known from  {profile.known_from}; {_known(profile)}")
    for field in profile.connection:
        need = "needed" if field.required else "optional"
        console.print(f"  {field.key} ({need}): {field.help}; e.g. {field.key}={field.example}")
    for quirk in profile.quirks:
        console.print(f"  note: {quirk}")
