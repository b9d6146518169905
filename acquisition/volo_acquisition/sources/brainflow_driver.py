"""Loading BrainFlow, quietly."""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["load_brainflow"]


@cache
def load_brainflow() -> Any:
    """Return ``brainflow.board_shim``, without setuptools' warning that concerns BrainFlow's authors only.

    Raises
    ------
    ImportError
        If BrainFlow is missing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
        with suppress(ImportError):  # BrainFlow imports it at first use, and says what to do where it is missing
            import_module("pkg_resources")
        from brainflow import board_shim
    return board_shim
