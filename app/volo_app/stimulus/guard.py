"""What a screen watches by itself: the run's stop flag, and whether the engine is alive. Not: Qt, clocks."""

from __future__ import annotations

__all__ = ["Guard"]


class Guard:
    """Placeholder until lifesign."""

    def __init__(self, path: str) -> None:
        """Open."""
        self._path = path

    def trouble(self, now: float) -> str:
        """Look."""
        return ""

    def stop(self, reason: str) -> None:
        """Raise."""
        return

    def close(self) -> None:
        """Close."""
        return
