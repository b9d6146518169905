"""Training the spiking decoder: deterministic, blind to the test part, and the exported graph says what torch says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

from volo_decoders.spiking.contract import SpikingContract  # noqa: E402
from volo_decoders.spiking.export import write_step  # noqa: E402
from volo_decoders.spiking.export_parity import run_freely, teacher_forced  # noqa: E402
from volo_decoders.spiking.runner import StepModel  # noqa: E402
from volo_decoders.spiking.scoring import r_squared, shifted  # noqa: E402
from volo_decoders.spiking.split import chronological  # noqa: E402
from volo_decoders.spiking.train import SpikingSettings, Trained, run_network, train  # noqa: E402
from volo_decoders.spiking.train_network import _Spike, one_thread  # noqa: E402
from volo_decoders.spiking.weights import CubaWeights  # noqa: E402

SETTINGS = SpikingSettings(n_units=24, n_substeps=2, epochs=12)
N_CHANNELS = 20


def tuned(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of cosine-tuned channels, and the smooth velocity they are tuned to."""
    rng = np.random.default_rng(seed)
    velocity = np.zeros((n, 2))
    for k in range(1, n):
        velocity[k] = 0.8 * velocity[k - 1] + rng.normal(size=2)
    angle = rng.uniform(0, 2 * np.pi, N_CHANNELS)
    rate = np.exp(0.3 + 0.5 * velocity @ np.array([np.cos(angle), np.sin(angle)]) / velocity.std())
    return rng.poisson(rate), 50.0 * velocity


X, Y = tuned(3000)
SPLIT = chronological(len(X))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(X, Y, SPLIT, SETTINGS, bin_s=0.1)


def exported(path: Path, weights: CubaWeights) -> StepModel:
    names = tuple(f"u{k}" for k in range(weights.n_channels))
    sizes = (weights.n_units, weights.is_recurrent, weights.n_substeps, weights.n_parameters)
    write_step(path, weights, SpikingContract(names, "count", 10.0, ("vx", "vy"), "arbitrary/s", *sizes, 10))
    return StepModel(path)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(trained: Trained) -> None:
    short = replace(SETTINGS, epochs=2)
    one, again = (train(X, Y, SPLIT, short, bin_s=0.1).network.weights().sha256() for _ in range(2))
    other = train(X, Y, SPLIT, replace(short, seed=1), bin_s=0.1).network.weights().sha256()
    assert one == again != other


def test_another_test_part_leaves_the_weights_equal_and_another_fit_part_does_not() -> None:
    short = replace(SETTINGS, epochs=2)
    other_x, other_y = X.copy(), Y.copy()
    other_x[SPLIT.training.stop :], other_y[SPLIT.training.stop :] = 99, -1e6
    one = train(X, Y, SPLIT, short, bin_s=0.1)
    other = train(other_x, other_y, SPLIT, short, bin_s=0.1)
    assert one.network.weights().sha256() == other.network.weights().sha256()
    assert one.history == other.history
    other_x[100] += 1
    assert train(other_x, other_y, SPLIT, short, bin_s=0.1).network.weights().sha256() != one.network.weights().sha256()


def test_it_learns_tuning_and_the_shifted_control_fails(trained: Trained) -> None:
    rows = slice(SPLIT.test.start - SPLIT.purge, SPLIT.test.stop)
    truth = Y[SPLIT.test.rows]
    assert (r_squared(truth, run_network(trained.network, X[rows])[0][SPLIT.purge :]) > 0.45).all()
    assert (r_squared(truth, run_network(trained.network, shifted(X[rows]))[0][SPLIT.purge :]) < 0.05).all()


def test_the_epoch_kept_is_the_best_on_validation(trained: Trained) -> None:
    best = max(trained.history, key=lambda row: row[2])
    assert trained.epoch == best[0]
    assert trained.validation_r2.mean() == best[2]
    assert len(trained.history) == SETTINGS.epochs / 2


def test_the_graph_gives_torchs_spikes_on_torchs_states_and_the_same_r2_on_its_own(
    trained: Trained, tmp_path: Path
) -> None:
    model = exported(tmp_path / "step.onnx", trained.network.weights())
    x = X[SPLIT.test.rows]
    parity = teacher_forced(trained.network, model, x)
    assert parity.n_spike_bits == len(x) * SETTINGS.n_units
    assert parity.n_mismatches <= 2
    assert parity.largest_margin <= 1e-5
    assert parity.max_membrane_difference <= 1e-4
    assert parity.max_output_difference <= 1e-3  # of velocities with a spread of about 80
    decoded, spikes = run_network(trained.network, x)
    assert spikes.sum() > len(x)
    by_torch, by_graph = (r_squared(Y[SPLIT.test.rows], y) for y in (decoded, run_freely(model, x)))
    np.testing.assert_allclose(by_graph, by_torch, atol=1e-3)


def test_the_comparison_notices_a_graph_of_other_weights(trained: Trained, tmp_path: Path) -> None:
    weights = trained.network.weights()
    wrong = replace(weights, membrane_decay=weights.membrane_decay * np.float32(0.98))
    parity = teacher_forced(trained.network, exported(tmp_path / "wrong.onnx", wrong), X[:300])
    assert parity.n_mismatches > 0
    assert parity.largest_margin > 1e-5
    off = replace(weights, offset=weights.offset + np.float32(1.0))
    parity = teacher_forced(trained.network, exported(tmp_path / "off.onnx", off), X[:300])
    assert parity.n_mismatches == 0
    assert parity.max_output_difference == pytest.approx(1.0, abs=1e-3)


def test_a_layer_without_recurrence_has_no_recurrent_weights(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=2, recurrent=False)
    network = train(X, Y, SPLIT, settings, bin_s=0.1).network
    assert not network.weights().is_recurrent
    parity = teacher_forced(network, exported(tmp_path / "step.onnx", network.weights()), X[:300])
    assert parity.largest_margin <= 1e-5


def test_time_constants_are_learned(trained: Trained) -> None:
    fresh = train(X, Y, SPLIT, replace(SETTINGS, epochs=1, learning_rate=1e-12), bin_s=0.1).network.weights()
    learned = trained.network.weights()
    for name, values in learned.time_constants_s(0.1).items():
        assert (values > 0.0).all()
        assert np.abs(values - fresh.time_constants_s(0.1)[name]).max() > 1e-3


def test_the_spike_is_a_step_whose_gradient_is_that_of_a_fast_sigmoid() -> None:
    above = torch.tensor([-0.5, -0.01, 0.0, 0.2], requires_grad=True)
    spikes = _Spike.apply(above, 10.0)
    spikes.sum().backward()
    assert spikes.tolist() == [0.0, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(above.grad, [1 / 36, 1 / 1.21, 1.0, 1 / 9], rtol=1e-5)


def test_the_number_of_threads_is_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"unit_dropout": 1.0}, {"ignored_bins": 40}])
def test_settings_that_make_no_sense_are_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SpikingSettings(**wrong)  # type: ignore[arg-type]
