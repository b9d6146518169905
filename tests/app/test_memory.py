"""An hour of simulated operation: memory stays flat, the file is whole, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOUR = """
import sys, os
from pathlib import Path
from volo_acquisition.clock import ManualClock
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_app.engine import Engine
from volo_app.presets import ssvep_chain
from volo_app.rows import RunRecorder
from volo_app.simulation import SimulatedParticipant
from volo_decoders.training import fit_chain
from volo_paradigms.layout import load_layout
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.will import Will

def resident_kb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024

clock = ManualClock()
layout = load_layout("benchmark40")
source = SyntheticSource(SyntheticSource.Settings(duration_s=3600.0, chunk_samples=25), clock)
(info,) = SyntheticSource(SyntheticSource.Settings(), ManualClock()).open()
chain = fit_chain(ssvep_chain("fbcca", layout, 250.0, lengths_s=(1.0, 2.0)), info, (), dynamic=False)
seen = {}

def watch(chunk):
    minute = int(clock.now() // 60)
    if minute not in seen:
        seen[minute] = resident_kb()

paradigm = SsvepSpeller(SpellerSettings(max_selections=None))
with RunRecorder(Path(sys.argv[1]), {"task": "ssvep", "simulated": "true"}) as recorder:
    result = Engine(
        source, clock, recorder=recorder, chain=chain, paradigm=paradigm, screen=VirtualScreen(60.0),
        hear=SimulatedParticipant(Will(layout), source.tell).hear, on_chunk=watch,
    ).run()
print(seen[10], seen[59], result.samples["synthetic"], result.n_decisions)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux for /proc")
def test_memory_is_flat_over_an_hour_of_operation(tmp_path: Path) -> None:
    path = tmp_path / "hour.xdf"
    done = subprocess.run(
        [sys.executable, "-c", HOUR, str(path)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    early_kb, late_kb, samples, decisions = (int(word) for word in done.stdout.split())
    assert samples == 3600 * 250
    assert decisions > 1000
    # what a run keeps of itself (markers, decisions) is some kilobytes a minute
    assert late_kb - early_kb < 16_000
