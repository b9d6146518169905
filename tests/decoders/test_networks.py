"""Networks: layers written out in numpy, the published sizes, and the same scores from onnxruntime as from torch."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from scipy.special import erf

torch = pytest.importorskip("torch")

from volo_decoders.imagery.network_train import ARCHITECTURES, build, export  # noqa: E402

RATE = 100.0


def network(architecture: str, n_bands: int = 1) -> tuple[object, dict[str, np.ndarray]]:
    """Return a network that has seen a few batches, and its weights in float64."""
    torch.manual_seed(0)
    made = build(architecture, 3 * n_bands, 120, 2, rate_hz=RATE, n_bands=n_bands)
    made.train()
    for _ in range(3):
        made(torch.randn(8, 3 * n_bands, 120))  # moves the running means of the normalisation
    made.eval()
    return made, {name: value.detach().numpy().astype(np.float64) for name, value in made.state_dict().items()}


def normalised(x: np.ndarray, w: dict[str, np.ndarray], name: str) -> np.ndarray:
    shape = (-1,) + (1,) * (x.ndim - 1)
    scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
    return (x - w[f"{name}.running_mean"].reshape(shape)) * scale.reshape(shape) + w[f"{name}.bias"].reshape(shape)


def means(x: np.ndarray, length: int, step: int) -> np.ndarray:
    starts = range(0, x.shape[-1] - length + 1, step)
    return np.stack([x[..., s : s + length].mean(axis=-1) for s in starts], axis=-1)


def test_the_shallow_network_is_its_formula() -> None:
    made, w = network("shallow")
    x = np.random.default_rng(0).standard_normal((3, 120))
    kernel = w["temporal.weight"][:, 0, 0]
    filtered = (
        np.stack([[np.correlate(row, k, "valid") for row in x] for k in kernel]) + w["temporal.bias"][:, None, None]
    )
    mixed = np.einsum("fkc,kct->ft", w["spatial.weight"][..., 0], filtered)
    power = means(normalised(mixed, w, "norm") ** 2, 30, 6)
    scores = w["last.weight"] @ np.log(np.maximum(power, 1e-6)).ravel() + w["last.bias"]
    found = made(torch.from_numpy(x[None].astype(np.float32))).detach().numpy()[0]  # type: ignore[operator]
    np.testing.assert_allclose(found, scores, rtol=1e-3, atol=1e-4)


def test_the_interactive_frequency_network_is_its_formula() -> None:
    made, w = network("ifnet", 2)
    x = np.random.default_rng(1).standard_normal((6, 120))
    mixed = np.concatenate([w["spatial.0.weight"][64 * k : 64 * k + 64, :, 0] @ x[3 * k : 3 * k + 3] for k in range(2)])
    mixed = normalised(mixed, w, "spatial.1")
    total = np.zeros((64, 120))
    for k in range(2):
        kernels = w[f"temporal.{k}.0.weight"][:, 0]
        half = kernels.shape[1] // 2
        padded = np.pad(mixed[64 * k : 64 * k + 64], ((0, 0), (half, half)))
        out = np.stack([np.correlate(row, kernel, "valid") for row, kernel in zip(padded, kernels, strict=True)])
        total += normalised(out, w, f"temporal.{k}.1")
    gelu = 0.5 * total * (1.0 + erf(total / np.sqrt(2.0)))
    scores = w["last.weight"] @ means(gelu, 50, 50).ravel() + w["last.bias"]
    found = made(torch.from_numpy(x[None].astype(np.float32))).detach().numpy()[0]  # type: ignore[operator]
    np.testing.assert_allclose(found, scores, rtol=1e-3, atol=1e-4)


def test_eegnet_has_the_published_number_of_weights() -> None:
    """Lawhern et al., table 2: 8 filters of half a second, 2 spatial ones each, 16 separable ones of an eighth."""
    made = build("eegnet", 64, 128, 2, rate_hz=128.0)
    n = sum(p.numel() for p in made.parameters())
    temporal, spatial, separable = 8 * 64 + 16, 16 * 64 + 32, 16 * 16 + 16 * 16 + 32
    assert n == temporal + spatial + separable + 16 * (128 // 32) * 2 + 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_onnxruntime_scores_as_torch(architecture: str) -> None:
    n_bands = 2 if architecture == "ifnet" else 1
    made, _ = network(architecture, n_bands)
    session = onnxruntime.InferenceSession(export(made, 3 * n_bands, 120), providers=["CPUExecutionProvider"])  # type: ignore[arg-type]
    for seed in range(5):
        x = np.random.default_rng(seed).standard_normal((1, 3 * n_bands, 120)).astype(np.float32)
        theirs = made(torch.from_numpy(x)).detach().numpy()  # type: ignore[operator]
        np.testing.assert_allclose(session.run(None, {"x": x})[0], theirs, rtol=1e-4, atol=1e-5)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed are shallow"):
        build("transformer", 3, 120, 2, rate_hz=RATE)
