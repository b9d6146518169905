"""The starter's side of a run in roles: starts the recorder, passes on signals, hears text, waits for the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from multiprocessing import get_context
from typing import Any

from volo_app.roles.messages import Done, Failed, Said, StopRun, Warned
from volo_app.roles.recorder_process import Work, recorder_main
from volo_app.stopping import stop_signals

__all__ = ["run_in_roles"]

#: A recorder that does not leave by itself after its answer is ended, seconds.
LEAVE_S = 5.0


def run_in_roles(
    function: str,
    arguments: Mapping[str, Any],
    *,
    workspace: str = "",
    on_text: Callable[[str], None] = lambda text: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Let an engine under a recorder do `function`; return its result.

    Ctrl+C and the other polite signals end the run cleanly; the result then says ``stopped_by_signal``.

    Parameters
    ----------
    function : str
        ``module:function``, called in the engine's process with an `EngineRole` and `arguments`.
    arguments : Mapping
        JSON-compatible.
    workspace : str
        Nobody else may work there meanwhile; empty for none.
    on_text, on_warning : callable
        Told text that was decided, and what the person should know.

    Raises
    ------
    VoloError
        As it was raised in one of the processes.
    """
    from volo_app.roles.remote_source import error_of

    context = get_context("spawn")
    pipe, child = context.Pipe()
    work = Work(function, dict(arguments), workspace=workspace)
    process = context.Process(target=recorder_main, args=(child, work), name="volo-recorder", daemon=False)
    asked: list[bool] = []  # filled by a signal handler, hence no lock
    with stop_signals(lambda: asked.append(True)):
        process.start()
        child.close()
        try:
            answer = _hear(pipe, asked, on_text, on_warning)
        finally:
            pipe.close()
            process.join(LEAVE_S)
            if process.is_alive():
                process.kill()
                process.join(LEAVE_S)
    if isinstance(answer, Failed):
        raise error_of(answer, "the run")
    return dict(answer.result)


def _hear(
    pipe: Any, asked: list[bool], on_text: Callable[[str], None], on_warning: Callable[[str], None]
) -> Done | Failed:
    has_passed_on = False
    while True:
        try:
            if asked and not has_passed_on:
                has_passed_on = True
                pipe.send(StopRun("a signal"))
            if not pipe.poll(0.1):
                continue
            message = pipe.recv()
        except (EOFError, OSError):
            return Failed("DeviceError", "the recorder's process ended unexpectedly", "driver", "see: volo repair")
        match message:
            case Done() | Failed():
                return message
            case Said():
                on_text(message.text)
            case Warned():
                on_warning(message.text)
