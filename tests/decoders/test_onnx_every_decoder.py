"""Every registered decoder is exported and scores like the Python one, or is refused by name with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_decoder_contract import EVERY, FACTORIES, NETWORKS, trials_for

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.registry import names
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.contract import Trials
from volo_decoders.fitted import FittedChain, make_id
from volo_decoders.imagery.trials import make_imagery_trials
from volo_decoders.onnx.export import export_bytes
from volo_decoders.onnx.exported import exported_chain
from volo_decoders.onnx.graph import PRECISIONS
from volo_decoders.onnx.lowering import decoder_lowering, why_not
from volo_decoders.onnx.parity import LIMIT, compare
from volo_decoders.pipeline.stopping import FixedStopping
from volo_decoders.pipeline.windower import WindowSpec

pytest.importorskip("onnx", reason="onnx is not installed")

EXPORT_PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def registered(name: str) -> str:
    """The name a variant's class is registered under."""
    return name.partition("-")[0]


#: Variants that learn while they are used.
LEARNING = ("transfer_cca-online", "tangent_space-adapting")


def is_exportable(name: str) -> bool:
    return not why_not(registered(name)) and name not in LEARNING


def chain_for(name: str) -> tuple[FittedChain, Trials]:
    """The decoder behind nothing but a channel selection: a window's rows are the stream's channels."""
    trials = trials_for(name) if name in EVERY else make_imagery_trials(n_samples=128)
    decoder = {**EVERY, **NETWORKS}[name](trials).fit(trials.X, trials.y)
    n = trials.n_samples
    lengths = tuple(k / trials.rate_hz for k in (n // 2, n))
    channels = tuple(Channel(f"C{k}") for k in range(trials.X.shape[1]))
    spec = ChainSpec(
        (StageSpec("select"),),
        WindowSpec(lengths, 0.0),
        registered(name),
        decoder.get_params(deep=False),
    )
    info = StreamInfo("amp", "eeg", trials.rate_hz, channels, "float32", "test")
    return FittedChain(spec, decoder, FixedStopping(n), info, make_id(spec, decoder)), trials


def items_of(trials: Trials, gap: int = 13) -> list[Marker | Chunk]:
    """The test windows one behind the other, as a stream."""
    n, n_rows = trials.n_samples, trials.X_test.shape[1]
    rng = np.random.default_rng(0)
    parts, markers, at = [], [], 0
    for k, window in enumerate(trials.X_test):
        parts += [rng.normal(size=(gap, n_rows)).astype(np.float32), window.T.astype(np.float32)]
        markers.append(Marker((at + gap) / trials.rate_hz, "stimulus/onset", {"trial": k}))
        at += gap + n
    samples = np.concatenate([*parts, np.zeros((50, n_rows), np.float32)])
    times = np.arange(len(samples)) / trials.rate_hz
    return [*markers, *(Chunk("amp", a, samples[a : a + 40], times[a : a + 40]) for a in range(0, len(samples), 40))]


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in sorted(EVERY) if is_exportable(name)),
        *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(NETWORKS)),
    ],
)
def test_an_exported_decoder_scores_like_the_python_one(name: str) -> None:
    fitted, trials = chain_for(name)
    parity = compare(fitted, exported_chain(export_bytes(fitted)), fitted.contract, items_of(trials))
    assert parity.n_decisions == len(trials.X_test)
    assert parity.n_predictions >= 2 * len(trials.X_test)
    assert parity.windows_equal
    assert parity.decisions_equal
    assert parity.relative <= LIMIT


def test_what_cannot_be_exported_says_why_and_the_page_tells_it() -> None:
    page = EXPORT_PAGE.read_text(encoding="utf-8")
    for name in sorted(FACTORIES | NETWORKS):
        assert f"`{name}`" in page
        if is_exportable(name):
            continue
        fitted, _ = chain_for(name)
        with pytest.raises(DecoderError, match=f"decoder '{name}' has no ONNX form") as caught:
            export_bytes(fitted)
        assert caught.value.reason is Reason.UNSUPPORTED
        assert why_not(name) in str(caught.value)
        assert why_not(name) in " ".join(page.split())


def test_a_decoder_that_learns_while_it_is_used_is_refused() -> None:
    fitted, _ = chain_for("transfer_cca-online")
    with pytest.raises(DecoderError, match="it learns while it is used"):
        export_bytes(fitted)


def test_every_registered_decoder_has_a_graph_or_a_reason() -> None:
    for name in names("volo.decoders"):
        if not why_not(name):
            assert decoder_lowering(name)


@pytest.mark.parametrize("precision", [p for p in PRECISIONS if p != "float64"])
@pytest.mark.parametrize("name", ["csp_lda", "etrca"])
def test_fewer_bits_make_a_smaller_file_that_says_so_and_decides_nearly_alike(name: str, precision: str) -> None:
    fitted, trials = chain_for(name)
    whole, small = export_bytes(fitted), export_bytes(fitted, precision=precision)
    exported: Any = exported_chain(small)
    runner = exported.decoding(fitted.contract).pipeline
    assert runner.manifest.precision == precision
    if name == "etrca":  # its templates are most of the file
        assert len(small) < len(whole)
    parity = compare(fitted, exported, fitted.contract, items_of(trials))
    assert parity.windows_equal
    assert LIMIT < parity.relative < 0.05  # a file that lost nothing would not be of fewer bits
    assert parity.agreement >= 0.95
