"""The simulated participant of a run: its will decides, its head answers, here or behind a real LSL stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Protocol, Self

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Chunk, Marker
from volo_app.role import enter_role

__all__ = ["Headset", "SimulatedParticipant", "Willing"]


class Willing(Protocol):
    """What a simulated participant wants: it hears the run's markers, and answers with what it attends to."""

    def take(self, marker: Marker) -> list[Marker]:
        """Hear a marker."""
        ...


@dataclass(frozen=True, slots=True)
class SimulatedParticipant:
    """Joins a will to a head: only markers pass between them, as light and attention would.

    Attributes
    ----------
    will : Willing
        What it wants.
    head : callable
        Told each marker: the synthetic source's ``tell``, or a headset's.
    """

    will: Willing
    head: Callable[[Marker], None]

    def hear(self, marker: Marker) -> list[Marker]:
        """See a marker of the run; return what is attended from now on."""
        answers = self.will.take(marker)
        for seen in (marker, *answers):
            self.head(seen)
        return answers


class Headset:
    """A simulated amplifier in a process of its own that sends its samples over a real LSL stream.

    Parameters
    ----------
    settings : SyntheticSource.Settings
        Of the head; ``stream_id`` is the LSL stream's name and source id.
    """

    def __init__(self, settings: SyntheticSource.Settings) -> None:
        context = get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=_headset_main, args=(child, settings), name="volo-source-headset", daemon=True
        )
        self._child = child

    def __enter__(self) -> Self:
        self._process.start()
        self._child.close()
        if not self._pipe.poll(30.0) or not self._ready():
            self.__exit__(None, None, None)
            raise DeviceError(
                "the simulated headset did not start", reason=Reason.DRIVER, hint="run `volo doctor` to check LSL"
            )
        return self

    def _ready(self) -> bool:
        try:
            return bool(self._pipe.recv())
        except EOFError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        if self._process.pid is not None:
            self._process.join(3.0)
            if self._process.is_alive():
                self._process.terminate()
                self._process.join(3.0)
        self._process.close()

    def tell(self, marker: Marker) -> None:
        """Pass a marker to the head.

        Raises
        ------
        DeviceError
            If its process has ended.
        """
        try:
            self._pipe.send(marker)
        except OSError as error:
            raise DeviceError("the simulated headset has ended", reason=Reason.NO_DATA) from error


def _headset_main(pipe: Connection, settings: SyntheticSource.Settings) -> None:
    """Run the headset until the pipe's other end is closed."""
    from volo_app.outputs.lsl import ChunkOutlet

    enter_role("source-headset")
    source = SyntheticSource(settings, SessionClock())
    (info,) = source.open()
    with ChunkOutlet(info, source_id=info.stream_id) as outlet:
        pipe.send(True)
        try:
            while True:
                while pipe.poll(0):
                    source.tell(pipe.recv())
                for item in source.read(0.02):
                    if isinstance(item, Chunk):
                        outlet.push(item)
        except (EOFError, OSError):
            source.close()
