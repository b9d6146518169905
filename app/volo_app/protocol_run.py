"""Runs a protocol: one recording a block, in one session, with everything that was decided on the way recorded."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from volo_acquisition.clock import Clock, ManualClock, SessionClock
from volo_acquisition.errors import ConfigError
from volo_acquisition.sources.spec import make_source
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Marker
from volo_app.engine import Engine
from volo_app.presets import DECODERS, LONG_LENGTHS_S, SPELLER_LENGTHS_S, VISUAL_LATENCY_S, ssvep_chain
from volo_app.rows import RunRecorder
from volo_app.run_life import RunLife
from volo_app.run_result import RunResult
from volo_app.screening import require_screening
from volo_app.session import Session, create_session
from volo_app.showing import Screen
from volo_app.stimulus.certificate import load_certificate, rig_folder, rig_id
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.gallery import labels_of
from volo_app.stimulus.process import ScreenSettings
from volo_app.stimulus.verdict import Verdict, choose_decoder, judge_timing
from volo_app.training import train_file
from volo_decoders.fitted import FittedChain
from volo_decoders.store import load_decoder, save_decoder
from volo_paradigms.block import Block, Sham
from volo_paradigms.imagery_will import ImageryWill
from volo_paradigms.layout import Layout
from volo_paradigms.protocol import BlockPlan, Protocol
from volo_paradigms.safety.exposure import Viewing, judge_flicker
from volo_paradigms.safety.limits import Limited
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.will import Will

__all__ = ["ProtocolOptions", "ProtocolRun"]

#: Signal before the first scene, for the filters to settle, seconds.
LEAD_IN_S = 2.0
#: Of a run whose screen is virtual: there is no light.
_VIRTUAL = Verdict(())


@dataclass(frozen=True, slots=True)
class ProtocolOptions:
    """How a protocol is run.

    Attributes
    ----------
    workspace : Path
        Where sessions are.
    participant : str
        Code of the participant.
    source : str
        As for `volo_acquisition.sources.spec.make_source`.
    virtual : bool
        Without a window and in virtual time: for the simulated participant only.
    accept_timing : bool
        The operator accepts unverified timing.
    confirmed : bool
        The operator confirms what a flicker is warned of.
    screen : ScreenSettings
        Of the window.
    """

    workspace: Path
    participant: str
    source: str = "synthetic"
    virtual: bool = False
    accept_timing: bool = False
    confirmed: bool = False
    screen: ScreenSettings = ScreenSettings()  # noqa: RUF009 - frozen


class ProtocolRun:
    """A participant's session of a protocol.

    Parameters
    ----------
    protocol : Protocol
        What is done.
    options : ProtocolOptions
        With whom and how.
    say : callable
        Told lines for the operator.
    on_engine : callable
        Told each engine before it runs, for notes and stops.

    Raises
    ------
    ConfigError
        If options do not go together, or a flicker is refused or not confirmed; all that is wrong is listed.
    FileError
        If something flickers and the participant was not screened, or may not see flicker.
    """

    def __init__(
        self,
        protocol: Protocol,
        options: ProtocolOptions,
        say: Callable[[str], None] = lambda line: None,
        on_engine: Callable[[Engine], None] = lambda engine: None,
    ) -> None:
        self.protocol = protocol
        self.options = options
        self._say = say
        self._on_engine = on_engine
        self._is_simulated = options.source.partition(":")[0].strip() == "synthetic"
        if options.virtual and not self._is_simulated:
            raise ConfigError(["--virtual: a virtual screen is for the simulated participant: leave --source"])
        self._plans = protocol.blocks_for(options.participant)
        self._screening = self._check_safety()
        self._fitted: FittedChain | None = None
        self._fitted_name = ""
        self._saved: set[str] = set()
        self._flicker_s = 0.0
        self.session: Session | None = None

    def run(self) -> dict[str, object]:
        """Run all blocks; return the figures of each."""
        options, protocol = self.options, self.protocol
        settings: dict[str, Any] = {"protocol": protocol.name, "sha256": protocol.sha256, "source": options.source}
        settings |= {"blocks": [asdict(plan) for plan in self._plans], "accept_timing": options.accept_timing}
        self.session = create_session(options.workspace, options.participant, task="protocol", settings=settings)
        done: list[dict[str, object]] = []
        for number, plan in enumerate(self._plans):
            self._say(f"block {number + 1} of {len(self._plans)}: {plan.name} ({plan.paradigm})")
            figures, reason = self._run_block(self.session, plan, number)
            done.append(figures)
            self.session.journal("block", number=number, **figures)
            if reason != "finished":
                self._say(f"the session ends: {reason}")
                break
        complete = len(done) == len(self._plans) and all(block["reason"] == "finished" for block in done)
        return {"session": str(self.session.folder), "blocks": done, "complete": complete}

    def _check_safety(self) -> str:
        """Return the screening for the header; refuse what must not be shown."""
        problems, flickers = [], False
        for plan in self._plans:
            paradigm = plan.make(0)
            modulation = paradigm._modulation() if hasattr(paradigm, "_modulation") else None  # noqa: SLF001
            layout = getattr(paradigm, "layout", None)
            if modulation is None or not isinstance(layout, Layout):
                continue
            flickers = True
            exposure = judge_flicker(layout, modulation, Viewing())
            problems += [f"{plan.name}: {refusal}" for refusal in exposure.refusals]
            if not self.options.confirmed and not self._is_simulated:
                problems += [f"{plan.name}: {warning}: confirm with --confirm-flicker" for warning in exposure.warnings]
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))
        if not flickers or self._is_simulated:
            return "not needed: nothing flickers" if not flickers else "not needed: simulated"
        return require_screening(self.options.workspace, self.options.participant)

    def _run_block(self, session: Session, plan: BlockPlan, number: int) -> tuple[dict[str, object], str]:
        task = re.sub(r"[^A-Za-z0-9]", "", plan.paradigm)
        path = session.run_path(task, session.next_run(task))
        seed = self.protocol.seed_for(self.options.participant, number)
        chain, chain_name = self._chain_for(plan)
        clock: Clock = ManualClock() if self.options.virtual else SessionClock()
        with ExitStack() as stack:
            screen, header, verdict = self._open_screen(stack, session, path, clock)
            inner: Any = plan.make(seed)
            base = inner
            limited = None
            if hasattr(inner, "_modulation"):
                inner = limited = Limited(inner, self.protocol.limits, self._flicker_s)
            if plan.sham:
                inner = Sham(inner, labels_of(base), seed)
            block = Block(inner, plan, number)
            header |= {"task": task, "protocol": self.protocol.name, "protocol_sha256": self.protocol.sha256}
            header |= {"block": str(number), "block_name": plan.name, "seed": str(seed), "sham": str(plan.sham).lower()}
            header |= {"simulated": str(self._is_simulated).lower(), "photosensitivity": self._screening}
            if chain is not None:
                if chain_name not in self._saved:
                    save_decoder(session.decoder_dir(chain_name), chain)
                    self._saved.add(chain_name)
                header |= {"decoder": chain_name, "decoder_id": chain.decoder_id}
            recorder = stack.enter_context(RunRecorder(path, header))
            result, reason = self._engine(stack, clock, screen, block, plan, recorder, chain, seed)
            if limited is not None:
                self._flicker_s = limited.account.session_s(clock.now())
        figures = self._figures(plan, path, result, base, reason)
        if plan.train and reason == "finished":
            figures["trained"] = self._train(plan, path, verdict, number)
        return figures, reason

    def _open_screen(
        self, stack: ExitStack, session: Session, path: Path, clock: Clock
    ) -> tuple[Screen, dict[str, str], Verdict]:
        if self.options.virtual:
            return VirtualScreen(60.0, clock.now()), {"screen": "virtual", **_VIRTUAL.header()}, _VIRTUAL
        self._life = stack.enter_context(RunLife(path, clock))
        settings = replace(self.options.screen, lifesign=str(self._life.path), ramp_s=self.protocol.ramp_s)
        screen = stack.enter_context(ScreenProcess(settings))
        folder = rig_folder(self.options.workspace, rig_id(screen.info))
        verdict = judge_timing(screen.info, load_certificate(folder), accept=self.options.accept_timing)
        if (folder / "certificate.html").is_file():
            shutil.copy2(folder / "certificate.html", session.folder / "certificate.html")
            shutil.copy2(folder / "certificate.json", session.folder / "certificate.json")
        self._say(f"screen: {screen.info.line()}")
        for reason in verdict.reasons:
            self._say(f"unverified timing: {reason}")
        return screen, {**screen.info.header(), **verdict.header()}, verdict

    def _engine(  # noqa: PLR0917 - what a run consists of
        self,
        stack: ExitStack,
        clock: Clock,
        screen: Screen,
        block: Block,
        plan: BlockPlan,
        recorder: RunRecorder,
        chain: FittedChain | None,
        seed: int,
    ) -> tuple[RunResult, str]:
        source = make_source(self._source_text(seed), clock)
        will: Any = None
        if isinstance(source, SyntheticSource):
            layout = block.layout
            will = Will(layout, plan.text or None, seed=seed) if isinstance(layout, Layout) else ImageryWill(seed=seed)

        def hear(marker: Marker) -> list[Marker]:
            if will is None or not isinstance(source, SyntheticSource):
                return []
            answers: list[Marker] = will.take(marker)
            for seen in (marker, *answers):
                source.tell(seen)
            return answers

        def watch() -> None:
            if not self.options.virtual:
                self._life.step(engine)

        engine = Engine(
            source,
            clock,
            recorder=recorder,
            chain=chain,
            paradigm=block,
            screen=screen,
            hear=hear,
            on_step=watch,
            lead_in_s=LEAD_IN_S,
            keep_recording=not self._is_simulated,
        )
        self._on_engine(engine)
        try:
            result = engine.run()
        finally:
            if not self.options.virtual:
                self._life.leave()
        return result, engine.status.reason

    def _source_text(self, seed: int) -> str:
        text = self.options.source
        if not self._is_simulated or "seed=" in text:
            return text
        return f"{text}{',' if ':' in text else ':'}seed={seed}"

    def _chain_for(self, plan: BlockPlan) -> tuple[FittedChain | None, str]:
        if not plan.decoder:
            return None, ""
        if plan.decoder == "trained":
            return self._fitted, self._fitted_name
        chain = load_decoder(Path(plan.decoder))
        return chain, Path(plan.decoder).name

    def _train(self, plan: BlockPlan, path: Path, verdict: Verdict, number: int) -> str:
        layout = getattr(plan.make(0), "layout", None)
        if not isinstance(layout, Layout) or plan.train not in DECODERS:
            raise ConfigError([f"{plan.name}.train: got {plan.train!r}, this block can train {', '.join(DECODERS)}"])
        name = choose_decoder(plan.train, verdict)
        if name != plan.train:
            self._say(
                f"{name} is trained in place of {plan.train}: the timing is unverified, and {name} needs no phase"
            )
        usable_s = float(plan.make(0).settings.flicker_s) - VISUAL_LATENCY_S
        lengths_s = tuple(s for s in (LONG_LENGTHS_S if name == "fbcca" else SPELLER_LENGTHS_S) if s <= usable_s)
        if not lengths_s:
            raise ConfigError([f"{plan.name}.settings.flicker_s: too short to train {name} on"])
        self._fitted = train_file(path, lambda info: ssvep_chain(name, layout, info.rate_hz, lengths_s=lengths_s))
        self._fitted_name = f"{name}-block{number}"
        self._say(f"trained {self._fitted.decoder_id}")
        return self._fitted.decoder_id

    def _figures(self, plan: BlockPlan, path: Path, result: RunResult, base: Any, reason: str) -> dict[str, object]:
        figures: dict[str, object] = {"name": plan.name, "paradigm": plan.paradigm, "file": path.name}
        figures |= {"reason": reason, "n_markers": len(result.markers), "n_decisions": result.n_decisions}
        return figures | {"text": str(getattr(base, "text", "")), "failure": result.failure}
