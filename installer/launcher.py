"""The first module of the built application: `volo`, and two doors that only a build needs.

A built application has no ``python`` to ask for a module. ``volo doctor`` probes imports in a child process by
``sys.executable -m volo_app.import_probe``; here that executable is this application, so it takes that one module
itself. ``--plugins`` tells which plug-ins are registered and whether each imports, for ``installer/build.py --check``.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence

__all__ = ["main"]

_PROBE = ["-m", "volo_app.import_probe"]


def main(argv: Sequence[str]) -> int:
    """Run what `argv`, without the program's name, asks for; return the exit status."""
    if list(argv[:2]) == _PROBE:
        from volo_app.import_probe import main as probe

        return probe(list(argv[2:]))
    if list(argv) == ["--plugins"]:
        return _tell_plugins()
    from volo_app.cli import main as volo

    return volo(argv)


def _tell_plugins() -> int:
    """Write one JSON object: for each group, each plug-in's name and what went wrong with it, empty if nothing."""
    import json

    from volo_acquisition.errors import PluginError
    from volo_acquisition.registry import GROUPS, load, names
    from volo_app.role import limit_threads

    limit_threads()
    told: dict[str, dict[str, str]] = {group: {} for group in GROUPS}
    for group in GROUPS:
        for name in names(group):
            try:
                load(group, name)
                told[group][name] = ""
            except PluginError as error:
                told[group][name] = str(error)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    multiprocessing.freeze_support()  # a spawned child never returns from it
    sys.exit(main(sys.argv[1:]))
