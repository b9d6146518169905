"""Loading liblsl, quietly."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["load_pylsl"]

#: Where liblsl itself looks for a configuration, besides the file that LSLAPICFG names.
_CONFIG_FILES = (Path("lsl_api.cfg"), Path("~/lsl_api/lsl_api.cfg"), Path("/etc/lsl_api/lsl_api.cfg"))


@cache
def load_pylsl() -> Any:
    """Return pylsl, with liblsl's log on the error stream switched off.

    What the log would say of losses is told by events and errors here. A configuration of the user's own is left
    alone, log included.
    """
    import pylsl

    own = "LSLAPICFG" in os.environ or any(path.expanduser().is_file() for path in _CONFIG_FILES)
    if not own and hasattr(pylsl, "set_config_content"):
        with suppress(NotImplementedError):  # an older liblsl stays talkative
            pylsl.set_config_content("[log]\nlevel = -3\n")
    return pylsl
