"""What an exported chain costs beside the Python chain it was made from, in one run.

Step latency with and without a window scored, memory, load time and file size, for 8 and 64 channels, eTRCA with 12
classes and five sub-bands at 250 Hz, a hop of 20 ms, one thread. Memory and load time are those of a fresh process.

Run: python benchmarks/onnx_cost.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_app.presets import ssvep_chain
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.export import export_bytes
from volo_decoders.onnx.exported import exported_chain
from volo_decoders.onnx.graph import PRECISIONS
from volo_decoders.store import save_decoder
from volo_decoders.training import fit_chain
from volo_paradigms.layout import load_layout

RATE_HZ, HOP, RUNS = 250.0, 5, 5
LENGTHS_S = (0.5, 1.0)
TRIAL_S = 2.0
#: Loads what is named and decodes nothing; prints seconds and the memory of the process, MB.
FRESH = """
import sys
from pathlib import Path
from volo_acquisition.clock import SessionClock
clock = SessionClock()
t0 = clock.now()
if sys.argv[1].endswith(".onnx"):
    from volo_decoders.onnx.exported import load_exported as load
else:
    from volo_decoders.store import load_decoder as load
chain = load(Path(sys.argv[1]))
chain.decoding(chain.contract)
took = clock.now() - t0
rss = 0
if Path("/proc/self/status").exists():
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS")]
    rss = int(line.split()[1]) / 1000
print(took, rss)
"""


def items(info: StreamInfo, n_trials: int, targets: tuple[str, ...], seed: int) -> list[Marker | Chunk]:
    """Return noise with a trial every 2 s, a chunk each hop."""
    rng = np.random.default_rng(seed)
    n = int((5 + n_trials * TRIAL_S) * RATE_HZ)
    samples = rng.normal(scale=10.0, size=(n, info.n_channels)).astype(np.float32)
    times = np.arange(n) / RATE_HZ
    onsets = [
        Marker(4.0 + k * TRIAL_S, "stimulus/onset", {"trial": k, "target": targets[k % len(targets)]})
        for k in range(n_trials)
    ]
    return [*onsets, *(Chunk(info.stream_id, a, samples[a : a + HOP], times[a : a + HOP]) for a in range(0, n, HOP))]


def steps_us(chain: FittedChain, info: StreamInfo, played: list[Marker | Chunk]) -> tuple[list[float], list[float]]:
    """Return how long each chunk took, microseconds: those that scored nothing, and those that did."""
    decoding, clock = chain.decoding(info), SessionClock()
    plain, scored = [], []
    for item in played:
        t0 = clock.now()
        results = decoding.process(item)
        took = 1e6 * (clock.now() - t0)
        if isinstance(item, Chunk):
            (scored if results else plain).append(took)
    return plain[100:], scored[3:]


def fresh(path: Path) -> tuple[float, float]:
    """Return load time (s) and memory (MB) in a process of its own, medians of `RUNS`."""
    rows = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, "-c", FRESH, str(path)], check=True, capture_output=True, text=True)
        rows.append(tuple(float(x) for x in done.stdout.split()))
    return statistics.median(r[0] for r in rows), statistics.median(r[1] for r in rows)


def measure(n_channels: int, folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of the Python chain and of the exported files."""
    info = StreamInfo("noise", "eeg", RATE_HZ, tuple(Channel(f"E{k}") for k in range(n_channels)), "float32", "noise")
    layout = load_layout("benchmark40")
    targets = layout.labels[:12]
    spec = ssvep_chain("etrca", layout, RATE_HZ, lengths_s=LENGTHS_S)
    python = fit_chain(spec, info, items(info, 48, targets, 0))
    paths = {"python": save_decoder(folder / f"python-{n_channels}", python)}
    chains: dict[str, FittedChain] = {"python": python}
    for precision in PRECISIONS:
        name = f"onnx {precision}"
        paths[name] = folder / f"{n_channels}-{precision}.onnx"
        paths[name].write_bytes(export_bytes(python, precision=precision))
        chains[name] = exported_chain(paths[name].read_bytes())
    played = items(info, 60, targets, 1)
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in chains}
    for _ in range(RUNS):
        for name, chain in chains.items():
            plain, scored = steps_us(chain, info, played)
            rows[name].append(tuple(float(np.percentile(some, q)) for some in (plain, scored) for q in (50, 99)))
    out = {}
    for name, path in paths.items():
        load_s, memory_mb = fresh(path)
        size = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.iterdir())
        p50, p99, score_p50, score_p99 = (statistics.median(values) for values in zip(*rows[name], strict=True))
        spread = max(r[0] for r in rows[name]) - min(r[0] for r in rows[name])
        out[name] = {
            "step_p50_us": p50,
            "step_p99_us": p99,
            "step_spread_us": spread,
            "score_p50_us": score_p50,
            "score_p99_us": score_p99,
            "load_s": load_s,
            "memory_mb": memory_mb,
            "file_kb": size / 1000,
        }
    return out


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for n_channels in (8, 64):
            results[str(n_channels)] = rows = measure(n_channels, Path(folder))
            print(
                f"{n_channels} channels{'':9s} step p50   p99   (spread)   scored p50    p99 us   load s   MB   file kB"
            )
            for name, row in rows.items():
                print(
                    f"  {name:16s} {row['step_p50_us']:9.0f} {row['step_p99_us']:5.0f} {row['step_spread_us']:9.0f}"
                    f" {row['score_p50_us']:12.0f} {row['score_p99_us']:6.0f} {row['load_s']:11.2f}"
                    f" {row['memory_mb']:5.0f} {row['file_kb']:8.0f}"
                )
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
