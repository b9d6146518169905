"""How many times faster than real time a recording is replayed, with a 40-target decode every 0.25 s.

Eight channels at 250 Hz in chunks of 25 samples, five sub-bands, one thread, unthrottled. Prints median and spread of
five runs of the whole `volo replay` work (opening the file included) and exits with 1 below the target.

Run: python benchmarks/replay_speed.py [--json FILE] [--minutes 5]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_app.presets import ssvep_chain
from volo_app.replay import replay
from volo_app.rows import RunRecorder
from volo_decoders.store import save_decoder
from volo_decoders.training import fit_chain
from volo_paradigms.layout import load_layout

RATE_HZ = 250.0
LENGTHS_S = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TARGET = 100.0
N_CALIBRATION = 200
TRIAL_S = 1.75


def items(info: StreamInfo, n_trials: int, seed: int, targets: tuple[str, ...]) -> list[Marker | Chunk]:
    """Return noise with a trial every 1.75 s: what is in it does not change how long it takes."""
    rng = np.random.default_rng(seed)
    n = int((5 + n_trials * TRIAL_S) * RATE_HZ)
    times = np.arange(n) / RATE_HZ
    samples = rng.normal(scale=10.0, size=(n, info.n_channels)).astype(np.float32)
    markers = [
        Marker(4.0 + k * TRIAL_S, "stimulus/onset", {"trial": k, "target": targets[k % len(targets)]})
        for k in range(n_trials)
    ]
    chunks = [Chunk(info.stream_id, a, samples[a : a + 25], times[a : a + 25]) for a in range(0, n, 25)]
    return [*markers, *chunks]


def main() -> int:
    """Measure, print, compare with the target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    info = StreamInfo("noise", "eeg", RATE_HZ, tuple(Channel(f"E{k}") for k in range(8)), "float32", "noise")
    layout = load_layout("benchmark40")
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        path = root / "noise.xdf"
        with RunRecorder(path, {"task": "benchmark"}) as recorder:
            recorder.start([info])
            for item in items(info, int(args.minutes * 60 / TRIAL_S), 1, layout.labels):
                recorder.item(item)
        for name in ("etrca", "fbcca"):
            chain = ssvep_chain(name, layout, RATE_HZ, lengths_s=LENGTHS_S)
            # decide at the longest window only, so that every 0.25 s is decoded
            fitted = fit_chain(chain, info, items(info, N_CALIBRATION, 0, layout.labels), dynamic=False)
            save_decoder(root / name, fitted)
            speeds = []
            for _ in range(5):
                answer = replay(path, decoder=root / name)
                speed = answer["speed"]
                if not isinstance(speed, float):
                    raise TypeError(f"speed: got {speed!r}")
                speeds.append(speed)
            rate = int(answer["n_predictions"]) / float(answer["duration_s"])  # type: ignore[call-overload, arg-type]
            results[name] = {
                "median": float(np.median(speeds)),
                "least": min(speeds),
                "most": max(speeds),
                "decodes_per_s": rate,
            }
            print(
                f"{name}: {np.median(speeds):.0f}x real time (of five: {min(speeds):.0f} to {max(speeds):.0f}), "
                f"{rate:.2f} decodes a second of signal"
            )
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2), encoding="utf-8")
    return 0 if results["etrca"]["median"] >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
