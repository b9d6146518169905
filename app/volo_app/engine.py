"""The engine: takes a source's items, records and decodes them, and lets the paradigm act on the decisions.

The same class runs in-process (command line, tests, replay) and in a process of its own. It imports no Qt and reads
no device but through a source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

import numpy as np

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.base import Source
from volo_acquisition.types import Chunk, Event, EventKind, Item, Marker, StreamInfo
from volo_app.console import OutputClosed
from volo_app.outputs.base import Output
from volo_app.rows import RunRecorder
from volo_app.run_result import EngineStatus, RunResult
from volo_app.showing import Screen, Showing
from volo_app.stopping import stop_signals
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.decoding import Decoding
from volo_decoders.types import Decision, Prediction
from volo_paradigms.grammar import (
    DECODER_FAILED,
    OPERATOR_NOTE,
    OPERATOR_PAUSE,
    OPERATOR_RESUME,
    OPERATOR_STOP,
    OUTPUT_FAILED,
    RUN_STOP,
    SCREEN_GREY,
)
from volo_paradigms.types import Command, Paradigm, Scene, Step, TakesPredictions

__all__ = ["Engine", "EngineStatus", "RunResult"]

#: Windows that ended longer ago than this are not decoded any more, seconds.
MAX_LAG_S = 0.5
#: A source that goes on after a presenter's ``run/stop`` is read so much longer, for the last window, seconds.
AFTER_STOP_S = 2.0
#: A live source that is silent this long is given up, seconds.
SILENCE_S = 5.0


class Engine:
    """One run: from opening the source to the paradigm's or the source's end.

    Recording survives a decoder that raises: a ``decoder/failed`` marker is noted, the outputs go neutral, the screen
    goes blank, the paradigm is left alone, and the signal is recorded on until the source ends or the run is stopped;
    `RunResult.failure` tells of it. A run that records nothing ends with the decoder's error. While it records,
    a run in the main thread takes Ctrl+C and the other polite signals (`volo_app.stopping`) as a wish to stop.

    Parameters
    ----------
    source : Source
        Not opened yet.
    clock : Clock
        The one the source runs on.
    recorder : RunRecorder or None
        Takes everything; closed by whoever made it.
    chain : FittedChain or None
        Decodes the first signal stream.
    paradigm : Paradigm or None
        Acts on decisions, and on predictions if it wants them (`volo_paradigms.types.TakesPredictions`); without one
        the run ends with the source.
    screen : Screen or None
        Puts scenes on and stamps them, at once (`volo_paradigms.screen.VirtualScreen`) or later
        (`volo_app.showing.LiveScreen`); needed with a paradigm.
    outputs : sequence of Output
        Get the commands that are still valid. One that fails is told to go neutral, noted with an ``output/failed``
        marker and left out from then on; the run goes on. All are closed at the end.
    hear : callable or None
        Told each marker of this run; may answer with markers (the simulated participant).
    on_decision, on_chunk : callable or None
        Told each decision, and each chunk after it was decoded, in the engine's thread; must be quick.
    on_step : callable or None
        Told each turn of the engine's loop, in its thread, also while no data come: a sign of life.
    max_lag_s : float or None
        Windows that come later than this are skipped and recorded as SKIP; None skips none.
    skipped : sequence of (int, int)
        For replay: the windows that were skipped live.
    until_run_stop : bool
        End when an external presenter's ``run/stop`` has come, and either the source has nothing more for half a second
        or two seconds have passed, since an amplifier goes on.
    lead_in_s : float
        The paradigm starts after so much signal, or when the chain's filters have settled if that is later, so that
        the first trial is not lost.
    keep_recording : bool
        Whether the recording goes on when the decoder has failed; False for a simulated participant, who would be
        recorded for ever.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        recorder: RunRecorder | None = None,
        chain: FittedChain | None = None,
        paradigm: Paradigm | None = None,
        screen: Screen | None = None,
        outputs: Sequence[Output] = (),
        hear: Callable[[Marker], list[Marker]] | None = None,
        on_decision: Callable[[Decision], None] | None = None,
        on_chunk: Callable[[Chunk], None] | None = None,
        on_step: Callable[[], None] | None = None,
        max_lag_s: float | None = MAX_LAG_S,
        skipped: Sequence[tuple[int, int]] = (),
        until_run_stop: bool = False,
        lead_in_s: float = 0.0,
        keep_recording: bool = True,
    ) -> None:
        if paradigm is not None and screen is None:
            raise ValueError("Engine: a paradigm needs a screen")
        self._source = source
        self._clock = clock
        self._recorder = recorder
        self._chain = chain
        self._paradigm = paradigm
        self._showing = Showing(screen) if screen is not None else None
        self._outputs = list(outputs)
        self._opened = tuple(outputs)
        self._hear = hear
        self._on_decision = on_decision
        self._on_chunk = on_chunk
        self._on_step = on_step
        self._max_lag_s = max_lag_s
        self._skipped = skipped
        self._until_run_stop = until_run_stop
        self._lead_in_s = lead_in_s
        self._keep_recording = keep_recording
        self._seconds = 0.0
        self._stopwatch = SessionClock()
        self._decoding: Decoding | None = None
        self._result = RunResult()
        self._phase, self._reason = "ready", ""
        self._stopped_by = "stopped"
        self._stopping = False
        self._ending = False
        self._ending_since = 0.0
        self._notes: deque[Marker] = deque()

    @property
    def status(self) -> EngineStatus:
        """The state of the run, as one frozen value; may be read from any thread."""
        kinds = [event.kind for event in self._result.events]
        showing = self._showing
        return EngineStatus(
            self._phase,
            self._reason,
            sum(self._result.samples.values()),
            kinds.count(EventKind.GAP),
            kinds.count(EventKind.SKIP),
            0 if showing is None else showing.frames,
            0 if showing is None else showing.late_frames,
            0 if showing is None else showing.missed_frames,
            self._result.latencies_s[-1] if self._result.latencies_s else None,
        )

    def stop(self) -> None:
        """End the run after the current step; may be called from any thread or signal handler."""
        self._stopping = True

    def note(self, text: str) -> None:
        """Record what the operator writes down, stamped now; may be called from any thread."""
        self._notes.append(Marker(self._clock.now(), OPERATOR_NOTE, {"text": text}, "operator"))

    def _stop_by_signal(self) -> None:
        self._result.stopped_by_signal = True
        self.stop()

    def run(self) -> RunResult:
        """Run to the end and return what happened; the source and the outputs are closed in any case.

        Raises
        ------
        DeviceError
            If the source fails or falls silent, or the screen is gone or shows nothing.
        DecoderError
            If the stream does not fit the decoder.
        """
        with ExitStack() as stack:
            if self._recorder is not None:
                stack.enter_context(stop_signals(self._stop_by_signal))
            self._run()
        if self._decoding is not None:
            self._result.sha256 = self._decoding.fingerprint.hexdigest()
        return self._result

    def _run(self) -> None:
        try:
            infos = self._source.open()
            self._begin(infos)
            self._phase = "running"
            self._loop()
            for event in self._decoding.finish() if self._decoding is not None else ():
                self._take_result(event, self._stopwatch.now())
            self._reason = self._result.failure or (self._stopped_by if self._stopping else "finished")
        except Exception as error:
            self._reason = str(error)
            raise
        finally:
            self._phase = "ended"
            try:
                self._go_neutral()
                self._close_outputs()
            finally:
                self._source.close()

    def _go_neutral(self) -> None:
        """Take the stimuli off the screen and every output to its safe state."""
        if self._showing is not None:
            self._showing.blank()
        for output in list(self._outputs):
            self._guard(output, output.neutral)

    def _close_outputs(self) -> None:
        """Let go of all outputs, those that failed as well."""
        for output in self._opened:
            try:
                output.close()
            except OutputClosed:
                raise
            except Exception as error:  # noqa: BLE001 - the border to a plug-in
                self._result.failures.append(
                    f"output {type(output).__name__} failed to close: {type(error).__name__}: {error}"
                )

    def _begin(self, infos: Sequence[StreamInfo]) -> None:
        classes: tuple[str, ...] = ()
        self._rates_hz = {info.stream_id: info.rate_hz for info in infos if info.rate_hz > 0.0}
        if self._chain is not None:
            signals = [info for info in infos if info.rate_hz > 0.0 and info.dtype != "string"]
            if not signals:
                raise DeviceError(
                    "the source has no regularly sampled stream", reason=Reason.NO_DATA, hint="choose another source"
                )
            self._decoding = self._chain.decoding(signals[0], self._skipped)
            classes = tuple(str(c) for c in self._chain.decoder.classes_)
            self._lead_in_s = max(self._lead_in_s, self._decoding.pipeline.settle_s)
        for output in self._outputs:
            output.open()
        if self._recorder is not None:
            self._recorder.start(infos, classes, has_frames=self._showing is not None and self._showing.is_live)

    def _loop(self) -> None:
        heard = self._clock.now()
        wait_s = 0.02 if self._showing is not None and self._showing.is_live else 0.1
        while not self._stopping:
            if self._on_step is not None:
                self._on_step()
            self._poll_screen()
            while self._notes:
                self._take_marker(self._notes.popleft())
            if self._paradigm is not None and self._seconds >= self._lead_in_s:
                self._take_steps(self._paradigm.advance(self._clock.now()))
                if self._paradigm.finished:
                    break
            items = self._source.read(wait_s)
            for item in items:
                self._take_item(item)
            now = self._clock.now()
            if items:
                heard = now
            elif self._source.exhausted or (self._ending and now - heard > 0.5):
                break
            if self._ending and now - self._ending_since > AFTER_STOP_S:
                break
            elif now - heard > SILENCE_S:
                raise DeviceError(
                    f"no data for {SILENCE_S:g} s",
                    reason=Reason.NO_DATA,
                    hint="check that the amplifier is on and streaming; what was recorded is safe",
                )

    def _take_item(self, item: Item) -> None:
        t0 = self._stopwatch.now()
        if self._recorder is not None:
            self._recorder.item(item)
        match item:
            case Chunk():
                n = self._result.samples.get(item.stream_id, 0) + len(item)
                self._result.samples[item.stream_id] = n
                self._seconds = n / self._rates_hz.get(item.stream_id, np.inf)
            case Marker():
                self._result.markers.append(item)
                if self._until_run_stop and item.label == RUN_STOP and not self._ending:
                    self._ending, self._ending_since = True, self._clock.now()
            case Event():
                self._result.events.append(item)
        for result in self._decode(item):
            self._take_result(result, t0)
        if isinstance(item, Chunk) and self._on_chunk is not None:
            self._on_chunk(item)

    def _decode(self, item: Item) -> Sequence[Prediction | Decision | Event]:
        """Return what an item leads to; a decoder that fails is left out from then on."""
        if self._decoding is None:
            return ()
        try:
            if self._max_lag_s is not None:
                self._decoding.skip_before(self._clock.now() - self._max_lag_s)
            return self._decoding.process(item)
        except Exception as error:  # whatever a decoder does, recording goes on
            if self._recorder is None:
                raise
            self._lose_decoder(f"the decoder failed: {type(error).__name__}: {error}")
            return ()

    def _lose_decoder(self, failure: str) -> None:
        """Stop feedback, not recording."""
        self._decoding = self._paradigm = None
        self._result.failure = " ".join(failure.split())
        self._go_neutral()
        self._take_marker(Marker(self._clock.now(), DECODER_FAILED, {"message": self._result.failure}, "device"))
        if not self._keep_recording:
            self._stopping = True

    def _take_result(self, result: Prediction | Decision | Event, t0: float) -> None:
        match result:
            case Prediction():
                self._result.n_predictions += 1
                if self._recorder is not None:
                    self._recorder.prediction(result)
                if isinstance(self._paradigm, TakesPredictions):
                    self._take_steps(self._paradigm.predict(result))
            case Event():
                self._result.events.append(result)
                if self._recorder is not None:
                    self._recorder.item(result)
            case Decision():
                latency_s = self._stopwatch.now() - t0
                self._result.latencies_s.append(latency_s)
                self._result.n_decisions += 1
                self._result.decisions.append(result)
                if self._recorder is not None:
                    self._recorder.decision(result, latency_s)
                if self._on_decision is not None:
                    self._on_decision(result)
                if self._paradigm is not None:
                    self._take_steps(self._paradigm.decide(result))

    def _poll_screen(self) -> None:
        """Take what a live screen has shown since the last call, and its frames."""
        if self._showing is None:
            return
        markers = self._showing.poll(self._clock.now())
        rows = self._showing.take_frames()
        if self._recorder is not None:
            self._recorder.frames(rows)
        for marker in markers:
            self._take_shown(marker)
        for marker in self._showing.trial_frames(rows, markers):
            self._take_marker(marker)

    def _take_shown(self, marker: Marker) -> None:
        self._take_marker(marker)
        if marker.label in (OPERATOR_STOP, SCREEN_GREY):
            self._stopped_by = "stopped at the screen"
            self._stopping = True
        elif marker.label in (OPERATOR_PAUSE, OPERATOR_RESUME):
            act = getattr(self._paradigm, "pause" if marker.label == OPERATOR_PAUSE else "resume", None)
            self._take_steps(act() if act is not None else ())
        elif self._paradigm is not None:
            self._take_steps(self._paradigm.shown(marker))

    def _take_steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if self._result.failure:
                return  # the decoder failed at an earlier step: the stimuli are off and the outputs neutral
            match step:
                case Scene():
                    if self._showing is not None:
                        shown = self._showing.present(step, self._clock.now())
                        if shown is not None:
                            self._take_shown(shown)
                case Marker():
                    self._take_marker(step)
                    if self._showing is not None:
                        self._showing.note(step)
                case Command():
                    if self._recorder is not None:
                        self._recorder.command(step)
                    if self._showing is not None:
                        self._showing.command(step)
                    if self._clock.now() <= step.time + step.valid_for_s:
                        for output in list(self._outputs):
                            self._guard(output, partial(output.send, step))

    def _guard(self, output: Output, act: Callable[[], None]) -> None:
        """Let an output act; one that fails is left out from then on, because recording survives everything."""
        try:
            act()
        except OutputClosed:
            raise
        except Exception as error:  # noqa: BLE001 - the border to a plug-in
            self._outputs.remove(output)
            failure = f"output {type(output).__name__} failed: {type(error).__name__}: {error}"
            self._result.failures.append(failure)
            if self._phase == "running":
                with suppress(Exception):
                    output.neutral()
                self._take_marker(Marker(self._clock.now(), OUTPUT_FAILED, {"message": failure}, "device"))

    def _take_marker(self, marker: Marker) -> None:
        """Record a marker of this run, tell the decoding, and the participant, who may answer."""
        self._take_item(marker)
        if self._hear is not None:
            for answer in self._hear(marker):
                self._take_item(answer)
