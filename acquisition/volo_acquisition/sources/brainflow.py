"""Any board that BrainFlow knows: amplifiers, its synthetic board, and its own recordings played back.

BrainFlow never raises for a board that froze, lies or was unplugged; silence and lost packages are told by events
here. Stamps are Unix time at arrival in the driver, handed on as they are, with a `Correction`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.brainflow_driver import load_brainflow
from volo_acquisition.sources.brainflow_rows import COUNTER_LAWS, BoardRows, board_rows
from volo_acquisition.sources.continuity import Continuity, StallWatch
from volo_acquisition.sources.foreign_clock import unix_offset_s
from volo_acquisition.types import Correction, Event, EventKind, Item, Marker, StreamInfo

__all__ = ["BrainFlowSettings", "BrainFlowSource", "board_names"]

_CLOSE_S = 3.0
_POLL_S = 0.004
_BURST_S = 0.03
_CHECK_EVERY_S = 1.0
_DRIFT_S = 1e-3
_JUMP_S = 1e-2
_NOT_BOARDS = ("NO_BOARD",)
#: Sessions open in this process. BrainFlow knows a session by its board and parameters alone: a second one would be
#: refused, and its failure would end the first.
_SESSIONS: set[tuple[int, str]] = set()

_HINTS = {
    "UNABLE_TO_OPEN_PORT_ERROR": "check serial_port, the cable and the dongle, and that no other program has it open",
    "PORT_ALREADY_OPEN_ERROR": "close the other program that uses this port",
    "SER_PORT_ERROR": "check serial_port and its permissions",
    "BOARD_NOT_READY_ERROR": "switch the board on, charge it, and bring it near",
    "SYNC_TIMEOUT_ERROR": "switch the board on, charge it, and bring it near",
    "INVALID_ARGUMENTS_ERROR": "give what this board needs: serial_port, mac_address, ip_address and ip_port, or file",
    "UNSUPPORTED_BOARD_ERROR": "this board is not supported on this operating system",
    "ANOTHER_BOARD_IS_CREATED_ERROR": "the same board is in use already; close the other source",
}


@dataclass(frozen=True, slots=True)
class BrainFlowSettings:
    """Which board, and how to reach it.

    Attributes
    ----------
    board : str
        Name of a board in BrainFlow's ``BoardIds``; case and the ending ``_BOARD`` do not matter.
    serial_port : str
        For boards on a serial port, e.g. ``COM3`` or ``/dev/ttyUSB0``.
    mac_address : str
        For Bluetooth boards, if there is more than one.
    ip_address : str
        For network boards and the streaming board.
    ip_port : int
        Its port, 0 for the board's own.
    serial_number : str
        For boards found by it.
    other_info : str
        Whatever else the board wants, see BrainFlow's documentation.
    timeout_s : int
        How long BrainFlow looks for the board, 0 for its default.
    file : str
        Recording of BrainFlow's file streamer, for ``PLAYBACK_FILE_BOARD``.
    master_board : str
        For the playback and streaming boards: the board the data came from.
    first_data_s : float
        Refuse a board that sends nothing for this long after its start.
    """

    board: str = "SYNTHETIC_BOARD"
    serial_port: str = ""
    mac_address: str = ""
    ip_address: str = ""
    ip_port: int = 0
    serial_number: str = ""
    other_info: str = ""
    timeout_s: int = 0
    file: str = ""
    master_board: str = ""
    first_data_s: float = 5.0


def board_names() -> list[str]:
    """Return the names of BrainFlow's boards; no hardware is touched."""
    BoardIds = load_brainflow().BoardIds

    return [board.name for board in BoardIds if board.name not in _NOT_BOARDS]


class BrainFlowSource:
    """Yields the samples of one board.

    Parameters
    ----------
    settings : BrainFlowSettings
        Which board.
    clock : Clock
        The session clock.
    """

    Settings = BrainFlowSettings

    def __init__(self, settings: BrainFlowSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._shim: Any = None
        self._session: tuple[int, str] | None = None
        self._playback = False
        self._rows_left = 0

    def open(self) -> tuple[StreamInfo, ...]:
        """Start the board and return its stream.

        Raises
        ------
        DeviceError
            If the board is unknown, cannot be reached, or sends nothing.
        """
        driver = load_brainflow()
        BoardShim, BrainFlowError = driver.BoardShim, driver.BrainFlowError

        settings = self._settings
        board, master = self._boards()
        BoardShim.disable_board_logger()
        try:
            self._layout: BoardRows = board_rows(master.name, BoardShim.get_board_descr(master.value))
            self._playback = board.name == "PLAYBACK_FILE_BOARD"
            if self._playback:
                self._rows_left = self._complete_rows(Path(settings.file), self._layout.n_rows)
            self._buffer = max(45_000, int(60 * self._layout.info.rate_hz))
            parameters = self._parameters(board, master)
            self._claim(board, parameters)
            self._shim = BoardShim(board.value, parameters)
            self._shim.prepare_session()
            self._shim.start_stream(self._buffer)
        except BrainFlowError as error:
            self.close()
            name = str(error).partition(":")[0]
            raise DeviceError(
                f"BrainFlow board {board.name}: {error}",
                reason=Reason.DRIVER,
                hint=_HINTS.get(name, "see BrainFlow's list of supported boards for what this one needs"),
            ) from error
        info = self._layout.info
        self._continuity = Continuity(info.stream_id, info.rate_hz, COUNTER_LAWS.get(master.name))
        self._offset_s = unix_offset_s(self._clock)
        self._corrected = False
        self._await_data(board.name)
        now = self._clock.now()
        self._checked_at = self._arrived_at = now
        self._stall = StallWatch(info.stream_id, now)
        return (info,)

    def read(self, timeout_s: float) -> list[Item]:
        """Return what arrived since the last call, waiting at most `timeout_s` for the first item."""
        if self._shim is None:
            raise ValueError("BrainFlowSource.read: the source is not open; call open() first")
        deadline = self._clock.now() + timeout_s
        while True:
            now = self._clock.now()
            items: list[Item] = []
            if self._count():
                if now - self._arrived_at > 10 * _BURST_S:  # a held-up burst is told from a loss by its later rows
                    self._clock.sleep(min(_BURST_S, max(deadline - now, 0.0)))
                items = self._place(self._get(), self._clock.now())
            elif not self.exhausted:
                told = self._stall.silent(now, self._continuity.next_index)
                items = [*self._continuity.settle(self._offset_s), *told] if told else []
            items += self._check_clock()
            if items or now >= deadline or self.exhausted:
                return items
            self._clock.sleep(min(_POLL_S, deadline - now))

    def close(self) -> None:
        """Stop the board; a driver that hangs is left behind after 3 s."""
        shim, self._shim = self._shim, None
        session, self._session = self._session, None
        if session is not None:
            _SESSIONS.discard(session)
        if shim is not None:
            stopper = Thread(target=_release, args=(shim,), name="volo-source-close", daemon=True)
            stopper.start()
            stopper.join(_CLOSE_S)

    @property
    def exhausted(self) -> bool:
        """True once a played back file is at its end; False for a board."""
        return self._playback and self._rows_left <= 0

    def _boards(self) -> tuple[Any, Any]:
        """Return the board to open and the one that describes its data."""
        board = _board(self._settings.board)
        if board.name not in ("PLAYBACK_FILE_BOARD", "STREAMING_BOARD"):
            return board, board
        if not self._settings.master_board:
            raise DeviceError(
                f"BrainFlow board {board.name}: master_board is empty",
                reason=Reason.INVALID,
                hint="name the board the data came from, e.g. master_board=SYNTHETIC_BOARD",
            )
        return board, _board(self._settings.master_board)

    def _parameters(self, board: Any, master: Any) -> Any:
        BrainFlowInputParams = load_brainflow().BrainFlowInputParams

        settings, parameters = self._settings, BrainFlowInputParams()
        for name in ("serial_port", "mac_address", "ip_address", "ip_port", "serial_number", "other_info", "file"):
            setattr(parameters, name, getattr(settings, name))
        parameters.timeout = settings.timeout_s
        if board is not master:
            parameters.master_board = master.value
        return parameters

    def _claim(self, board: Any, parameters: Any) -> None:
        """Take note of the session; DeviceError if it is open already."""
        session = (int(board.value), str(parameters.to_json()))
        if session in _SESSIONS:
            raise DeviceError(
                f"BrainFlow board {board.name} is in use by another source of this program",
                reason=Reason.DRIVER,
                hint="close that source, or give this one another port or address",
            )
        _SESSIONS.add(session)
        self._session = session

    @staticmethod
    def _complete_rows(path: Path, n_rows: int) -> int:
        """Return how many samples a recording of BrainFlow's file streamer holds; a torn last line does not count."""
        try:
            with path.open(encoding="ascii") as lines:
                widths = [line.count("\t") + 1 for line in lines if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DeviceError(
                f"BrainFlow playback file {path.name!r} cannot be read: {error}",
                reason=Reason.NOT_FOUND,
                hint="give a file that BrainFlow's file streamer wrote",
            ) from error
        if not widths or widths[0] != n_rows:
            raise DeviceError(
                f"BrainFlow playback file {path.name!r} has {max(widths, default=0)} columns, expected are {n_rows}",
                reason=Reason.WRONG_CHANNELS,
                hint="set master_board to the board that was recorded",
            )
        return sum(width == n_rows for width in widths)

    def _await_data(self, name: str) -> None:
        deadline = self._clock.now() + self._settings.first_data_s
        while not self._count():
            if self._clock.now() >= deadline:
                self.close()
                raise DeviceError(
                    f"BrainFlow board {name} was started but sent nothing for {self._settings.first_data_s:g} s",
                    reason=Reason.NO_DATA,
                    hint="switch it off and on again, charge it, and bring it near",
                )
            self._clock.sleep(_POLL_S)

    def _count(self) -> int:
        return int(self._call("get_board_data_count"))

    def _get(self) -> NDArray[np.float64]:
        data: NDArray[np.float64] = self._call("get_board_data")
        return data

    def _call(self, method: str) -> Any:
        BrainFlowError = load_brainflow().BrainFlowError

        try:
            return getattr(self._shim, method)()
        except BrainFlowError as error:
            raise DeviceError(
                f"BrainFlow board stopped: {error}", reason=Reason.DRIVER, hint="reconnect it, then start again"
            ) from error

    def _place(self, data: NDArray[np.float64], now: float) -> list[Item]:
        """Turn BrainFlow's rows, shape (n_rows, n_samples), into items."""
        layout, index = self._layout, self._continuity.next_index
        n = data.shape[1]
        self._rows_left -= n
        self._arrived_at = now
        stamps = data[layout.stamp_row]
        items: list[Item] = [*self._stall.arrived(now, index)]
        if n >= self._buffer:
            detail = f"the driver's buffer of {n} samples was full"
            items.append(Event(EventKind.OVERFLOW, layout.info.stream_id, index, now, 0, detail))
        if not self._corrected:
            if self._playback:
                self._offset_s = now - float(stamps[-1])
            self._corrected = True
            items.append(Correction(layout.info.stream_id, index, self._offset_s, now))
        if layout.marker_row >= 0:
            for i in np.flatnonzero(data[layout.marker_row]):
                value = float(data[layout.marker_row, i])
                time = float(stamps[i]) + self._offset_s
                items.append(Marker(time, f"device/{value:g}", {"value": value}, "device"))
        counter = data[layout.counter_row] if layout.counter_row >= 0 else None
        items += self._continuity.place(data[list(layout.rows)].T, stamps, counter, self._offset_s)
        return items

    def _check_clock(self) -> list[Item]:
        """Follow the wall clock, which is set and slewed from outside, once a second."""
        now = self._clock.now()
        if self._playback or not self._corrected or now - self._checked_at < _CHECK_EVERY_S:
            return []
        self._checked_at = now
        moved_s = unix_offset_s(self._clock, n_pairs=11) - self._offset_s
        if abs(moved_s) < _DRIFT_S:
            return []
        self._offset_s += moved_s
        stream_id, index = self._layout.info.stream_id, self._continuity.next_index
        items: list[Item] = []
        if abs(moved_s) >= _JUMP_S:
            detail = f"the wall clock was set by {-1e3 * moved_s:+.1f} ms"
            items.append(Event(EventKind.CLOCKJUMP, stream_id, index, now, 0, detail))
        return [*items, Correction(stream_id, index, self._offset_s, now)]


def _board(name: str) -> Any:
    """Return the member of BoardIds with this name; DeviceError with near names if there is none."""
    BoardIds = load_brainflow().BoardIds

    wanted = name.strip().upper().replace("-", "_").replace(" ", "_")
    known = board_names()
    for candidate in (wanted, f"{wanted}_BOARD"):
        if candidate in known:
            return BoardIds[candidate]
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4) or known[:3]
    raise DeviceError(
        f"BrainFlow knows no board {name!r}",
        reason=Reason.NOT_FOUND,
        hint=f"did you mean {' or '.join(near)}? All are listed by: volo devices",
    )


def _release(shim: Any) -> None:
    """Stop and release a session, whatever its state."""
    BrainFlowError = load_brainflow().BrainFlowError

    for method in ("stop_stream", "release_session"):
        try:
            if shim.is_prepared():
                getattr(shim, method)()
        except BrainFlowError:  # already gone, which is what close is for
            continue
