"""The deep network: published shapes, parameter counts and initial values; onnxruntime computes what torch does."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from volo_decoders.contract import make_trials
from volo_decoders.metrics import accuracy
from volo_decoders.ssvep.dnn import GuneyNet

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from volo_decoders.ssvep.dnn_train import GuneyNetwork, graph_bytes  # noqa: E402


@pytest.mark.parametrize(("window_s", "n_parameters"), [(0.2, 294_283), (0.4, 414_283), (1.0, 774_283)])
def test_parameter_counts_are_the_published_ones(window_s: float, n_parameters: int) -> None:
    network = GuneyNetwork(3, 9, round(250 * window_s), 40)
    assert sum(p.numel() for p in network.parameters()) == n_parameters


def test_initial_values_are_the_published_ones() -> None:
    torch.manual_seed(0)
    network = GuneyNetwork(3, 9, 100, 40)
    assert torch.equal(network.bands.weight, torch.ones(1, 3, 1, 1)) and network.bands.bias is None
    for layer in (network.channels, network.halving, network.time, network.classes):
        assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
        assert not layer.bias.detach().any()
    assert network.dropouts == (0.1, 0.1, 0.95)
    assert network.halving.stride == (1, 2) and network.time.kernel_size == (1, 10)


@pytest.mark.parametrize("n_samples", [50, 51])
def test_onnxruntime_computes_what_torch_does(n_samples: int) -> None:
    import onnxruntime

    torch.manual_seed(1)
    network = GuneyNetwork(2, 4, n_samples, 5, 16)
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    network.eval()
    session = onnxruntime.InferenceSession(graph_bytes(network, (2, 4, n_samples)), providers=["CPUExecutionProvider"])
    for _ in range(5):
        x = torch.randn(1, 2, 4, n_samples)
        expected = network(x).detach().numpy()
        np.testing.assert_allclose(session.run(None, {"window": x.numpy()})[0], expected, rtol=1e-4, atol=1e-5)


def test_two_stages_start_from_all_and_end_with_the_target() -> None:
    everyone, own = make_trials(1.0, seed=1, n_per_class=6, n_samples=100), make_trials(1.0, seed=2, n_samples=100)
    X, y = np.concatenate((everyone.X, own.X)), np.concatenate((everyone.y, own.y))
    who = np.repeat(["other", "me"], [len(everyone.X), len(own.X)])
    settings = {"n_maps": 8, "epochs": 2, "finetune_epochs": 20, "batch": 24, "learning_rate": 0.02, "l2": 0.0}
    drops = {"dropouts": [0.0, 0.0, 0.3], "finetune_dropouts": [0.0, 0.0, 0.3]}
    one = GuneyNet(2, **settings, **drops).fit(X, y, who)
    both = GuneyNet(2, **settings, **drops).fit(X, y, who, target="me")
    assert both.loss_ < 0.5 * one.loss_
    assert accuracy(own.y_test, both.predict(own.X_test)) > 0.5  # chance 0.25
    with pytest.raises(ValueError, match="target: got 'nobody'"):
        GuneyNet(2, **settings).fit(X, y, who, target="nobody")


def test_a_copy_of_a_fitted_network_scores_alike() -> None:
    trials = make_trials(n_samples=60)
    fitted = GuneyNet(2, n_maps=4, epochs=2).fit(trials.X, trials.y)
    again = copy.deepcopy(fitted)
    assert np.array_equal(again.decision_function(trials.X_test), fitted.decision_function(trials.X_test))
