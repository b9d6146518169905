"""The parts of the spiking decoder that need no torch: the split, the scores, the peer, the contract, the stream."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.spiking.contract import SpikingContract
from volo_decoders.spiking.cost import step_cost
from volo_decoders.spiking.replaying import decode_recording
from volo_decoders.spiking.runner import StepModel
from volo_decoders.spiking.scoring import r_squared, shifted
from volo_decoders.spiking.split import chronological
from volo_decoders.spiking.stage import SpikingDecoder
from volo_decoders.spiking.weights import CubaWeights
from volo_decoders.spiking.wiener import fit_wiener

N_CHANNELS, N_UNITS, SETTLE = 5, 8, 3
CHANNELS = tuple(Channel(f"u{k}", ChannelKind.SPIKES, "count") for k in range(N_CHANNELS))
INFO = StreamInfo("spikes", "spikes", 10.0, CHANNELS, "int16")


def weights(seed: int = 0, n_substeps: int = 3, recurrent: bool = True) -> CubaWeights:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return CubaWeights(
        input_weights=normal(N_CHANNELS, N_UNITS),
        input_bias=normal(N_UNITS) * np.float32(0.5),
        recurrent=normal(N_UNITS, N_UNITS) * np.float32(0.5 * recurrent),
        synapse_decay=rng.uniform(0.3, 0.9, N_UNITS).astype(np.float32),
        membrane_decay=rng.uniform(0.3, 0.9, N_UNITS).astype(np.float32),
        readout=normal(N_UNITS, 2),
        readout_decay=np.array([0.5, 0.6], np.float32),
        scale=np.array([100.0, 90.0], np.float32),
        offset=np.array([1.0, -2.0], np.float32),
        n_substeps=n_substeps,
    )


def contract(w: CubaWeights) -> SpikingContract:
    names = tuple(channel.name for channel in CHANNELS)
    sizes = (w.n_units, w.is_recurrent, w.n_substeps, w.n_parameters)
    return SpikingContract(names, "count", 10.0, ("vx", "vy"), "arbitrary/s", *sizes, SETTLE, {"seed": 0})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from volo_decoders.spiking.export import write_step

    path = tmp_path_factory.mktemp("spiking") / "step.onnx"
    write_step(path, weights(), contract(weights()))
    return path


def counts(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(1.0, (n, N_CHANNELS)).astype(np.int16)


def in_double(w: CubaWeights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equations of `CubaWeights` once more, in double precision, bin after bin."""
    synapse, membrane, spike, readout = (np.zeros(n) for n in w.state_sizes().values())
    outputs, spikes = [], []
    for row in x.astype(float):
        total = np.zeros(w.n_units)
        for _ in range(w.n_substeps):
            current = row @ w.input_weights + w.input_bias + spike @ w.recurrent
            synapse = w.synapse_decay * synapse + (1.0 - w.synapse_decay) * current
            membrane = w.membrane_decay * (membrane - spike) + (1.0 - w.membrane_decay) * synapse
            spike = (membrane > 1.0).astype(float)
            total += spike
        readout = w.readout_decay * readout + (1.0 - w.readout_decay) * (total @ w.readout)
        outputs.append(readout * w.scale + w.offset)
        spikes.append(total)
    return np.array(outputs), np.array(spikes)


@given(st.integers(800, 100_000), st.floats(0.1, 0.3), st.integers(0, 50))
def test_parts_are_in_order_and_the_purged_bins_belong_to_none(n: int, share: float, purge: int) -> None:
    split = chronological(n, test_share=share, purge=purge)
    assert split.fit.start == 0
    assert split.validation.start - split.fit.stop == purge
    assert split.test.start - split.validation.stop == purge
    assert split.test.stop == n
    assert len(split.test) == round(n * share)
    assert split.training.stop == split.validation.stop


def test_a_recording_too_short_for_three_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="n_bins: got 300"):
        chronological(300)


def test_r_squared_of_the_truth_is_one_of_its_mean_zero_and_of_twice_the_truth_not_one() -> None:
    truth = np.random.default_rng(0).normal(size=(500, 2))
    np.testing.assert_allclose(r_squared(truth, truth), 1.0)
    np.testing.assert_allclose(r_squared(truth, np.broadcast_to(truth.mean(axis=0), truth.shape)), 0.0, atol=1e-12)
    assert (r_squared(truth, 2.0 * truth) < 0.1).all()
    assert np.isnan(r_squared(np.ones((4, 1)), np.ones((4, 1)))).all()


def test_the_shifted_control_keeps_every_bin_and_moves_all_of_them() -> None:
    x = np.arange(10)[:, None]
    assert sorted(shifted(x)[:, 0]) == list(range(10))
    assert (shifted(x) != x).all()


def test_the_wiener_filter_finds_a_lagged_mixture_and_fails_on_shifted_counts() -> None:
    rng = np.random.default_rng(0)
    x = rng.poisson(2.0, (4000, N_CHANNELS))
    mixture = rng.normal(size=(N_CHANNELS, 2))
    y = 3.0 + x @ mixture + 0.5 * np.roll(x, 2, axis=0) @ mixture
    split = chronological(len(x))
    wiener = fit_wiener(x, y, split, n_lags=4)
    assert (r_squared(y[split.test.rows], wiener.decode(x)[split.test.rows]) > 0.999).all()
    assert (r_squared(y[split.test.rows], wiener.decode(shifted(x))[split.test.rows]) < 0.0).all()


def test_the_wiener_filter_does_not_look_at_the_test_part() -> None:
    x = counts(3000)
    y = x[:, :2] * 1.0
    split = chronological(len(x))
    other_x, other_y = x.copy(), y.copy()
    other_x[split.training.stop :], other_y[split.training.stop :] = 7, -1.0
    one, other = fit_wiener(x, y, split, n_lags=3), fit_wiener(other_x, other_y, split, n_lags=3)
    np.testing.assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize("n_substeps", [1, 4])
def test_the_graph_computes_the_equations(tmp_path: Path, n_substeps: int, recurrent: bool) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from volo_decoders.spiking.export import write_step

    w, x = weights(2, n_substeps, recurrent), counts(200)
    write_step(tmp_path / "step.onnx", w, contract(w))
    step_model = StepModel(tmp_path / "step.onnx")
    states, outputs, spikes = step_model.start(), [], []
    for row in x:
        step = step_model.step(row, states)
        states = step.states
        outputs.append(step.y)
        spikes.append(step.spikes)
    expected, expected_spikes = in_double(w, x)
    assert expected_spikes.sum() > 100
    np.testing.assert_array_equal(spikes, expected_spikes)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-2)


def test_all_states_are_inputs_and_outputs_with_a_batch_of_one(model: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    inputs = {put.name: put.shape for put in session.get_inputs()}
    outputs = {put.name: put.shape for put in session.get_outputs()}
    states = {name: [1, size] for name, size in weights().state_sizes().items()}
    assert inputs == {"x": [1, N_CHANNELS], **states}
    assert outputs == {"y": [1, 2], "spikes": [1, N_UNITS], **{f"{name}_next": s for name, s in states.items()}}


@given(st.lists(st.integers(0, 9), max_size=12))
def test_any_chunking_gives_the_same_bits(model: Path, sizes: list[int]) -> None:
    x = counts(40)
    decoder = SpikingDecoder(str(model))
    whole = decoded_in(decoder, x, [])
    parts = decoded_in(decoder, x, sizes)
    np.testing.assert_array_equal(whole[0].view(np.uint32), parts[0].view(np.uint32))
    np.testing.assert_array_equal(whole[1], parts[1])


def decoded_in(decoder: SpikingDecoder, x: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    decoder.reset(INFO)
    edges = [*np.minimum(np.cumsum([0, *sizes]), len(x)).tolist(), len(x)]
    times = np.arange(len(x)) / 10.0
    chunks = [decoder.push(Chunk("spikes", a, x[a:b], times[a:b])) for a, b in pairwise(edges)]
    valid = [np.ones(len(c), bool) if c.valid is None else c.valid for c in chunks]
    return np.concatenate([c.samples for c in chunks]), np.concatenate(valid)


def test_the_first_bins_after_a_start_are_marked_invalid(model: Path) -> None:
    _, valid = decoded_in(SpikingDecoder(str(model)), counts(20), [2, 5])
    assert valid.tolist() == [False] * SETTLE + [True] * 17


def test_a_gap_starts_the_network_anew(model: Path) -> None:
    x, times = counts(30), np.arange(30) / 10.0
    decoder = SpikingDecoder(str(model))
    decoder.reset(INFO)
    decoder.push(Chunk("spikes", 0, x[:10], times[:10]))
    after = decoder.push(Chunk("spikes", 12, x[12:], times[12:]))
    assert decoder.n_restarts == 1
    fresh, _ = decoded_in(SpikingDecoder(str(model)), x[12:], [])
    np.testing.assert_array_equal(after.samples, fresh)
    assert after.valid is not None
    assert after.valid.tolist() == [False] * SETTLE + [True] * 15


def test_an_untrusted_bin_gives_nan_and_poisons_nothing_behind_it(model: Path) -> None:
    x, times = counts(20), np.arange(20) / 10.0
    trusted = np.ones(20, bool)
    trusted[6:8] = False
    decoder = SpikingDecoder(str(model))
    decoder.reset(INFO)
    out = decoder.push(Chunk("spikes", 0, x, times, trusted))
    assert np.isnan(out.samples[6:8]).all()
    assert decoder.n_restarts == 1
    fresh, _ = decoded_in(SpikingDecoder(str(model)), x[8:], [])
    np.testing.assert_array_equal(out.samples[8:], fresh)
    not_finite = x.astype(np.float32)
    not_finite[6:8, 1] = np.nan
    decoder.reset(INFO)
    np.testing.assert_array_equal(decoder.push(Chunk("spikes", 0, not_finite, times)).samples, out.samples)


def test_a_chunk_that_goes_back_is_refused(model: Path) -> None:
    x, times = counts(5), np.arange(5) / 10.0
    decoder = SpikingDecoder(str(model))
    decoder.reset(INFO)
    decoder.push(Chunk("spikes", 5, x, times))
    with pytest.raises(ValueError, match="got index 7, expected 10"):
        decoder.push(Chunk("spikes", 7, x, times))


def test_a_replayed_recording_gives_the_bits_of_the_stage_and_a_gap_in_it_restarts(model: Path, tmp_path: Path) -> None:
    x, times = counts(60), np.arange(60) / 10.0
    path = tmp_path / "gap.xdf"
    with XdfRecorder(path) as recorder:
        recorder.add_stream(INFO)
        recorder.write_chunk(Chunk("spikes", 100, x[:25], times[:25]))
        recorder.write_chunk(Chunk("spikes", 130, x[30:], times[30:]))
    decoder = SpikingDecoder(str(model))
    one = decode_recording(path, decoder, stream="spikes", chunk_bins=1)
    seven = decode_recording(path, decoder, stream="spikes", chunk_bins=7)
    assert one.index.tolist() == [*range(100, 125), *range(130, 160)]
    assert one.n_restarts == seven.n_restarts == 1
    np.testing.assert_array_equal(one.values, seven.values)
    np.testing.assert_array_equal(one.valid, seven.valid)
    before, _ = decoded_in(decoder, x[:25], [])
    behind, _ = decoded_in(decoder, x[30:], [])
    np.testing.assert_array_equal(one.values, np.concatenate([before, behind]))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (StreamInfo("s", "spikes", 10.0, CHANNELS[:4], "int16"), Reason.WRONG_CHANNELS),
        (StreamInfo("s", "spikes", 10.0, CHANNELS[::-1], "int16"), Reason.WRONG_CHANNELS),
        (StreamInfo("s", "spikes", 20.0, CHANNELS, "int16"), Reason.WRONG_RATE),
        (StreamInfo("s", "eeg", 10.0, tuple(Channel(c.name) for c in CHANNELS)), Reason.WRONG_UNIT),
    ],
)
def test_a_stream_that_does_not_fit_is_refused_by_name(model: Path, info: StreamInfo, reason: Reason) -> None:
    with pytest.raises(DecoderError) as caught:
        SpikingDecoder(str(model)).reset(info)
    assert caught.value.reason is reason


def test_the_contract_survives_the_file_and_a_newer_one_is_refused(model: Path) -> None:
    assert StepModel(model).contract == contract(weights())
    with pytest.raises(DecoderError) as caught:
        SpikingContract.from_json(contract(weights()).to_json().replace('"schema": 1', '"schema": 2'))
    assert caught.value.reason is Reason.NEWER_SCHEMA
    with pytest.raises(DecoderError) as caught:
        SpikingContract.from_json("[]")
    assert caught.value.reason is Reason.DAMAGED


def test_a_file_that_is_no_spiking_decoder_is_refused(model: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    (tmp_path / "junk.onnx").write_bytes(b"junk" * 100)
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:1000])
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("junk", "cut", "empty"):
        with pytest.raises(FileError) as damaged:
            StepModel(tmp_path / f"{name}.onnx")
        assert damaged.value.reason is Reason.DAMAGED
    with pytest.raises(FileError) as missing:
        StepModel(tmp_path / "absent.onnx")
    assert missing.value.reason is Reason.NOT_FOUND
    foreign = onnx.load(model)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(DecoderError) as other:
        StepModel(tmp_path / "foreign.onnx")
    assert other.value.reason is Reason.UNSUPPORTED


def test_an_existing_file_is_not_overwritten_and_a_wrong_contract_is_refused(model: Path, tmp_path: Path) -> None:
    from volo_decoders.spiking.export import build_step, write_step

    before = model.read_bytes()
    with pytest.raises(FileError) as caught:
        write_step(model, weights(3), contract(weights(3)))
    assert caught.value.reason is Reason.EXISTS
    assert model.read_bytes() == before
    with pytest.raises(ValueError, match="contract: got channels"):
        build_step(weights(n_substeps=2), contract(weights(n_substeps=3)))


def test_the_same_weights_make_the_same_bytes(model: Path) -> None:
    from volo_decoders.spiking.export import build_step

    assert build_step(weights(), contract(weights())) == model.read_bytes()


def test_costs_are_counted_as_by_hand() -> None:
    x = np.array([[0, 2, 0, 1, 0], [3, 0, 0, 0, 0]])
    cost = step_cost(contract(weights()), x, spikes_per_bin=6.0)
    assert cost.dense == 5 * 8 + 3 * 8 * 8 + 8 * 2
    assert cost.effective_macs == 1.5 * 8
    assert cost.effective_acs == 6.0 * (8 + 2)
    assert cost.activation_sparsity == 1.0 - 6.0 / 24
    assert cost.n_parameters == 5 * 8 + 8 + 64 + 8 + 8 + 16 + 2 + 2 + 2
    feed_forward = step_cost(contract(weights(recurrent=False)), x, spikes_per_bin=6.0)
    assert feed_forward.dense == 5 * 8 + 8 * 2
    assert feed_forward.effective_acs == 6.0 * 2
    assert feed_forward.n_parameters == cost.n_parameters - 64
