"""The exported graph decides as the Python chain does, on any stream, in any chunks, and keeps nothing to itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, Chunk, Event, EventKind, Marker, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec, build_pipeline
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.export import build_graph, export_bytes
from volo_decoders.onnx.exported import exported_chain
from volo_decoders.onnx.graph import OPSET
from volo_decoders.onnx.lowering import decoder_lowering, stage_lowering
from volo_decoders.onnx.parity import compare, noise_items
from volo_decoders.onnx.runner import OnnxRunner
from volo_decoders.onnx.steps import Steps
from volo_decoders.onnx.testvector import noise_of_integers
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.store import save_decoder
from volo_decoders.training import fit_chain
from volo_decoders.types import Prediction

pytest.importorskip("onnx", reason="onnx is not installed")

RATE_HZ = 250.0
HOP = 5
INFO = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Oz"), Channel("O1"), Channel("O2")), "float32", "test")
BANK = StageSpec("filter_bank", {"pass_bands_hz": [[6.0, 90.0], [14.0, 90.0]]})
SPEC = ChainSpec((StageSpec("select"), BANK), WindowSpec((0.4, 0.603, 0.8)), "etrca", {"n_bands": 2})
OFFSET, LENGTHS = 35, (100, 151, 200)
N_TRIALS = 28
N = 15_000  # 60 s
TIMES = np.arange(N) / RATE_HZ
ONSETS = [2.0 + 2.001 * k for k in range(N_TRIALS)]


def calibration(seed: int = 0, info: StreamInfo = INFO) -> list[Marker | Chunk]:
    """60 s of two classes: a phase-locked response at 10 or 13 Hz in noise."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(N, 3)) * 3.0
    markers = []
    for k, onset in enumerate(ONSETS):
        markers.append(Marker(onset, "stimulus/onset", {"trial": k, "target": "AB"[k % 2]}))
        inside = (onset + 0.14 <= TIMES) & (onset + 1.2 > TIMES)
        samples[inside] += 3.0 * np.sin(2 * np.pi * (10.0, 13.0)[k % 2] * (TIMES[inside] - onset))[:, None]
    scale = 1e-6 if info.channels[0].unit == "V" else 1.0
    stored = (samples * scale).astype(np.float32)
    return [*markers, *(Chunk("amp", a, stored[a : a + 50], TIMES[a : a + 50]) for a in range(0, N, 50))]


FITTED = fit_chain(SPEC, INFO, calibration())
DATA = export_bytes(FITTED)
TEST = calibration(1)
MARKERS = [item for item in TEST if isinstance(item, Marker)]
SAMPLES = np.concatenate([item.samples for item in TEST if isinstance(item, Chunk)])


def push(
    chain: Any, edges: Sequence[int], *, lost: range = range(0), samples: Any = SAMPLES, late_s: float = 0.0
) -> list[Prediction]:
    """Return the predictions of a pipeline for 60 s cut at `edges`, without the samples `lost`, markers so late."""
    waiting = list(MARKERS)
    out: list[Prediction] = []
    for a, b in pairwise(edges):
        due = [m for m in waiting if m.time + late_s <= TIMES[b - 1]]
        waiting = waiting[len(due) :]
        for lo, hi in ((a, min(b, lost.start)), (max(a, lost.stop), b)) if len(lost) else ((a, b),):
            if lo < hi:
                out += chain.push(Chunk("amp", lo, samples[lo:hi], TIMES[lo:hi]), due)
                due = []
    return out


def python(fitted: FittedChain = FITTED, info: StreamInfo = INFO) -> Any:
    pipeline = build_pipeline(fitted.spec, fitted.decoder, fitted.decoder_id)
    pipeline.reset(info)
    return pipeline


def runner(data: bytes = DATA, info: StreamInfo = INFO) -> OnnxRunner:
    made = OnnxRunner(data)
    made.reset(info)
    return made


def assert_equal(graph: list[Prediction], expected: list[Prediction], n_least: int = 1) -> None:
    assert len(expected) >= n_least
    key = [(p.stop_index, p.stop_time, p.group, p.n_samples, p.classes, p.decoder_id) for p in expected]
    assert [(p.stop_index, p.stop_time, p.group, p.n_samples, p.classes, p.decoder_id) for p in graph] == key
    a, b = (np.array([p.scores for p in some]) for some in (graph, expected))
    assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


EXPECTED = push(python(), range(0, N + 1, 50))


def fingerprint(results: list[Prediction]) -> list[tuple[int, int, bytes]]:
    return [(p.stop_index, p.group, p.scores.tobytes()) for p in results]


WHOLE = fingerprint(push(runner(), [0, N]))


def test_a_minute_gives_the_scores_and_decisions_of_the_python_chain() -> None:
    parity = compare(FITTED, exported_chain(DATA), INFO, TEST)
    assert parity.passed
    assert parity.n_decisions == N_TRIALS
    assert parity.relative <= 1e-9  # 1e-5 is the promise; both compute in double


def test_a_minute_of_noise_gives_the_scores_and_decisions_of_the_python_chain() -> None:
    parity = compare(FITTED, exported_chain(DATA), FITTED.contract, noise_items(FITTED))
    assert parity.passed
    assert parity.n_predictions > 30


def test_all_windows_are_those_of_the_python_pipeline() -> None:
    assert_equal(push(runner(), range(0, N + 1, 50)), EXPECTED, 3 * N_TRIALS)


def test_a_chain_fitted_to_something_else_is_seen() -> None:
    other = fit_chain(SPEC, INFO, calibration(2))
    parity = compare(other, exported_chain(DATA), INFO, TEST)
    assert not parity.passed
    assert parity.relative > 1e-3


@pytest.mark.parametrize("size", [1, 7, 25, 256])
def test_any_chunking_gives_the_same_bits(size: int) -> None:
    assert fingerprint(push(runner(), [*range(0, N, size), N])) == WHOLE


@settings(max_examples=6)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=12, unique=True), late_s=st.sampled_from([0.0, 0.3, 0.9]))
def test_any_cuts_and_late_markers_give_the_same_windows(cuts: list[int], late_s: float) -> None:
    cuts = sorted({*cuts, *range(0, N + 1, 100)})
    scores = {(p.stop_index, p.group): p.scores for p in push(runner(), cuts, late_s=late_s)}
    whole = {(p.stop_index, p.group): p.scores for p in EXPECTED}
    assert scores.keys() == whole.keys()
    assert max(np.abs(scores[key] - whole[key]).max() for key in whole) < 1e-9


SHORT = 3000  # 12 s


@settings(max_examples=25)
@given(gap=st.integers(1, 40), at=st.integers(500, SHORT - 500), cut=st.integers(1, SHORT - 1))
def test_gaps_short_and_long_leave_both_chains_equal(gap: int, at: int, cut: int) -> None:
    lost = range(at, at + gap)
    assert_equal(push(runner(), [0, cut, SHORT], lost=lost), push(python(), [0, cut, SHORT], lost=lost), 6)


@pytest.mark.parametrize("lost", [(13, 1), (16, 2), (14, 3)])
def test_a_window_right_after_a_short_reset_is_decoded_with_the_zeros_of_the_gap(lost: tuple[int, int]) -> None:
    """The one case in which what lies before a reset, the gap and what follows meet in a window that is decoded."""
    stop = next(p.stop_index for p in EXPECTED if p.n_samples == LENGTHS[-1] and p.group == 2)
    gap = range(stop - lost[0], stop - lost[1])
    assert 10 < len(gap) < 0.1 * LENGTHS[-1]  # longer than what is bridged, less than what makes a window invalid
    graph = push(runner(), [0, SHORT], lost=gap)
    assert stop in {p.stop_index for p in graph}
    assert_equal(graph, push(python(), [0, SHORT], lost=gap))


@pytest.mark.parametrize("first", [1, 3, 4, 37])
def test_a_stream_that_starts_off_the_grid_gives_equal_scores(first: int) -> None:
    offset = SAMPLES + np.float32(3000.0)  # an electrode's offset makes the start of the filters matter
    made = [push(chain, [first, N], samples=offset) for chain in (runner(), python())]
    assert_equal(*made, 3 * N_TRIALS)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), share=st.sampled_from([0.001, 0.01]))
def test_samples_that_are_not_finite_are_held_as_in_python(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    samples = SAMPLES[:SHORT].copy()
    samples[rng.random(samples.shape) < share] = rng.choice([np.nan, np.inf, -np.inf])
    assert_equal(push(runner(), [0, SHORT], samples=samples), push(python(), [0, SHORT], samples=samples), 8)


def test_more_channels_in_another_order_give_the_same_bits() -> None:
    wider = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Fz"), *reversed(INFO.channels)), "float32")
    samples = np.hstack([np.full((N, 1), 7.0, np.float32), SAMPLES[:, ::-1]])
    assert fingerprint(push(runner(info=wider), [0, N], samples=samples)) == WHOLE


def variants() -> dict[str, ChainSpec]:
    params = {
        "own-filters": {"ensemble": False},
        "squared": {"combine": "squared"},
        "signed-squared": {"combine": "signed_squared", "regularization": 0.1},
        "meegkit": {"compat": "meegkit"},
        "meegkit-own-filters": {"compat": "meegkit", "ensemble": False},
    }
    found = {name: replace(SPEC, decoder_params={"n_bands": 2, **more}) for name, more in params.items()}
    chain = (
        StageSpec("select", {"channels": ["O2", "Oz"]}),
        StageSpec("sos", {"kind": "bandstop", "cutoff_hz": [48.0, 52.0]}),
        StageSpec("sos", {"kind": "highpass", "cutoff_hz": [1.0]}),
        StageSpec("common_average"),
        BANK,
    )
    found["every-stage"] = replace(SPEC, stages=chain)
    found["no-selection"] = replace(SPEC, stages=(BANK,))
    found["one-length-odd-hop"] = replace(SPEC, window=WindowSpec((0.5,)), hop_s=0.031)
    return found


@pytest.mark.parametrize("name", variants())
def test_every_stage_and_every_kind_of_score_is_exported(name: str) -> None:
    unit = "V" if name == "every-stage" else "uV"
    info = replace(INFO, channels=tuple(replace(c, unit=unit) for c in INFO.channels))
    fitted = fit_chain(variants()[name], info, calibration(info=info))
    parity = compare(fitted, exported_chain(export_bytes(fitted)), info, calibration(1, info))
    assert parity.passed
    assert parity.n_predictions >= N_TRIALS


def test_a_flat_channel_and_a_silent_signal_score_as_in_python() -> None:
    samples = SAMPLES.copy()
    samples[:, 1] = 4.0
    assert_equal(push(runner(), [0, N], samples=samples), push(python(), [0, N], samples=samples))
    silent = push(runner(), [0, N], samples=np.zeros_like(SAMPLES))
    assert len(silent) == 3 * N_TRIALS
    assert not np.any([p.scores for p in silent])


def steps_of(samples: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    return [samples[a : a + HOP].astype(np.float64) for a in range(0, len(samples) // HOP * HOP, HOP)]


def test_a_bare_host_that_passes_the_onset_only_gets_each_length_once() -> None:
    steps, chunks = Steps(DATA), steps_of(SAMPLES[:4000])
    for p in (p for p in EXPECTED if p.group == 3 and p.n_samples == LENGTHS[0]):
        onset = p.stop_index - LENGTHS[0] - OFFSET
    got = {}
    for k, chunk in enumerate(chunks):
        scores, ready, valid = steps.step(chunk, k * HOP - onset)
        assert valid.all()
        assert np.isnan(scores).all() == (ready == 0)
        if ready:
            assert ready not in got
            got[ready] = scores
    expected = {LENGTHS.index(p.n_samples) + 1: p.scores for p in EXPECTED if p.group == 3}
    assert got.keys() == expected.keys() == {1, 2, 3}
    assert all(np.abs(got[k] - expected[k]).max() < 1e-9 for k in got)


@settings(max_examples=20)
@given(onset=st.integers(-3, 2000), length=st.integers(-2, 5))
def test_a_question_changes_no_state_and_is_answered_or_refused(onset: int, length: int) -> None:
    steps, chunks = Steps(DATA), steps_of(SAMPLES[:2000])
    for chunk in chunks[:-1]:
        steps.step(chunk)
    before = {name: value.tobytes() for name, value in steps.states.items()}
    steps.ask(onset, length)
    assert {name: value.tobytes() for name, value in steps.states.items()} == before
    plain = Steps(DATA)
    plain.states = dict(steps.states)
    scores, ready, _ = steps.step(chunks[-1], onset, length)
    plain.step(chunks[-1])
    assert all(np.array_equal(steps.states[name], value) for name, value in plain.states.items())
    assert ready in {0, length} if length else ready in range(len(LENGTHS) + 1)
    assert np.isfinite(scores).all() == (ready > 0)
    if onset < 0 or not 0 <= length <= len(LENGTHS):
        assert ready == 0


def test_states_can_be_taken_out_stored_and_put_into_another_session(tmp_path: Path) -> None:
    first, chunks = Steps(DATA), steps_of(SAMPLES[:2000])
    for chunk in chunks[:200]:
        first.step(chunk)
    np.savez(tmp_path / "states.npz", **first.states)  # type: ignore[arg-type]
    second = Steps(DATA)
    with np.load(tmp_path / "states.npz", allow_pickle=False) as stored:
        second.states = {name: stored[name] for name in stored.files}
    for k, chunk in enumerate(chunks[200:], 200):
        a, b = (steps.step(chunk, k * HOP - 900) for steps in (first, second))
        assert a[1] == b[1]
        assert np.array_equal(a[0], b[0], equal_nan=True)
    assert all(np.array_equal(first.states[name], second.states[name]) for name in first.states)


def test_nothing_is_asked_before_the_first_sample() -> None:
    steps = Steps(DATA)
    _, ready, _ = steps.step(np.zeros((HOP, 3)), OFFSET + LENGTHS[0], 1)
    assert ready == 0


def test_a_window_that_is_forgotten_is_told_as_lost() -> None:
    decoding = exported_chain(DATA).decoding(INFO)
    decoding.process(Chunk("amp", 0, SAMPLES[:3000], TIMES[:3000]))
    decoding.process(MARKERS[0])
    told = decoding.process(Chunk("amp", 3000, SAMPLES[3000:3050], TIMES[3000:3050]))
    assert [e.kind for e in told if isinstance(e, Event)] == [EventKind.LATE] * len(LENGTHS)


def test_the_stream_after_a_reset_does_not_know_the_one_before() -> None:
    made = runner()
    push(made, [0, N // 2])
    made.reset(INFO)
    assert fingerprint(push(made, [0, N])) == WHOLE


def test_the_same_chain_gives_the_same_bytes_and_a_model_that_is_self_contained() -> None:
    model = build_graph(FITTED)
    assert model.SerializeToString(deterministic=True) == DATA
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert {state.name for state in runner().manifest.states} == {
        "stage0.last",
        "stage1.z",
        "started",
        "ring",
        "filled",
    }
    assert {state.dtype for state in runner().manifest.states if state.name.endswith(".z")} == {"float64"}


def test_the_test_vector_is_the_one_in_the_documentation() -> None:
    signal = noise_of_integers(1000, 4)
    for n, c in ((0, 0), (1, 0), (17, 2), (999, 3)):
        assert signal[n, c] == (7919 * n * n + 104729 * n * (c + 1)) % 2003 / 100 - 10


def test_a_decoder_without_a_graph_is_named() -> None:
    with pytest.raises(DecoderError, match="not exportable: decoder 'my_decoder'") as caught:
        decoder_lowering("my_decoder")
    assert caught.value.reason is Reason.UNSUPPORTED


def test_a_stage_without_a_graph_is_named() -> None:
    odd = replace(FITTED, spec=replace(SPEC, stages=(*SPEC.stages, StageSpec("envelope"))))
    with pytest.raises(DecoderError, match="not exportable: stage 'envelope'"):
        build_graph(odd)
    assert callable(stage_lowering("select"))


def test_windows_within_one_hop_are_not_exported() -> None:
    spec = replace(SPEC, hop_s=0.6)
    with pytest.raises(DecoderError, match="within one hop"):
        build_graph(replace(FITTED, spec=spec))


def run(code: str, *args: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_running_a_file_needs_neither_onnx_nor_torch_nor_scipy(tmp_path: Path) -> None:
    (tmp_path / "chain.onnx").write_bytes(DATA)
    np.savez(tmp_path / "samples.npz", samples=SAMPLES[:2000])
    code = """
import json, sys
from pathlib import Path
for name in ("onnx", "torch", "scipy", "sklearn", "mne"):
    sys.modules[name] = None
import numpy as np
from volo_acquisition.types import Chunk, Marker
from volo_decoders.onnx.exported import load_exported
folder = Path(sys.argv[1])
chain = load_exported(folder / "chain.onnx")
decoding = chain.decoding(chain.contract)
decoding.process(Marker(2.0, "stimulus/onset", {"trial": 0}))
with np.load(folder / "samples.npz", allow_pickle=False) as stored:
    samples = stored["samples"]
results = decoding.process(Chunk("amp", 0, samples, np.arange(len(samples)) / 250.0))
print(json.dumps([r.scores.tolist() for r in results if hasattr(r, "scores")]))
"""
    scores = run(code, str(tmp_path))
    expected = [p.scores for p in EXPECTED if p.group == 0][: len(scores)]
    assert scores
    assert np.abs(np.array(scores) - np.array(expected)).max() < 1e-9


def test_exporting_imports_no_torch_and_without_onnx_it_says_what_to_install(tmp_path: Path) -> None:
    code = """
import json, sys
from pathlib import Path
if sys.argv[2] == "blocked":
    sys.modules["onnx"] = None
from volo_acquisition.errors import DecoderError
from volo_decoders.onnx.export import export_bytes
from volo_decoders.store import load_decoder
try:
    export_bytes(load_decoder(Path(sys.argv[1])))
    message = ""
except DecoderError as error:
    message = str(error)
print(json.dumps([message, "torch" in sys.modules]))
"""
    folder = str(save_decoder(tmp_path / "decoder", FITTED))
    assert run(code, folder, "free") == ["", False]
    message, _ = run(code, folder, "blocked")
    assert "'onnx' is not installed" in message
    assert "pip install" in message
