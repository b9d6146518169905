"""Fitted chains on disk: the same to the bit, and every kind of damage is one clear refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import ConfigError, DecoderError, FileError, Reason, VoloError
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.fitted import FittedChain, check_contract
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.store import load_decoder, save_decoder
from volo_decoders.training import fit_chain, time_folds

RATE_HZ = 250.0
INFO = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Oz"), Channel("O1"), Channel("O2")), "float32", "test")
BANDS = [[6.0, 90.0], [14.0, 90.0]]
SPEC = ChainSpec(
    (StageSpec("select"), StageSpec("filter_bank", {"pass_bands_hz": BANDS})),
    WindowSpec((0.4, 0.8)),
    "etrca",
    {"n_bands": 2},
)
N_TRIALS = 24


def items(seed: int = 0) -> list[Marker | Chunk]:
    """A calibration of two classes: a phase-locked response at 10 or 13 Hz in noise."""
    rng = np.random.default_rng(seed)
    n = int((3 + 2 * N_TRIALS) * RATE_HZ)
    times = np.arange(n) / RATE_HZ
    samples = rng.normal(size=(n, 3)) * 3.0
    markers = []
    for k in range(N_TRIALS):
        onset, hz = 3.0 + 2 * k, (10.0, 13.0)[k % 2]
        markers.append(Marker(onset, "stimulus/onset", {"trial": k, "target": "AB"[k % 2]}))
        inside = (times >= onset + 0.14) & (times < onset + 1.2)
        samples[inside] += 4.0 * np.sin(2 * np.pi * hz * (times[inside] - onset - 0.14))[:, None]
    chunks = [Chunk("amp", a, samples[a : a + 50].astype(np.float32), times[a : a + 50]) for a in range(0, n, 50)]
    return [*markers, *chunks]


@pytest.fixture(scope="module")
def fitted() -> FittedChain:
    return fit_chain(SPEC, INFO, items())


def fingerprint(chain: FittedChain) -> str:
    decoding = chain.decoding(INFO)
    for item in items(seed=1):
        decoding.process(item)
    assert decoding.fingerprint.n_decisions == N_TRIALS
    return decoding.fingerprint.hexdigest()


def test_what_was_saved_decodes_the_same_to_the_bit(fitted: FittedChain, tmp_path: Path) -> None:
    save_decoder(tmp_path / "d", fitted)
    again = load_decoder(tmp_path / "d")
    assert again.decoder_id == fitted.decoder_id
    assert again.contract == fitted.contract
    assert fingerprint(again) == fingerprint(fitted)


def test_nothing_on_disk_is_pickled(fitted: FittedChain, tmp_path: Path) -> None:
    save_decoder(tmp_path / "d", fitted)
    assert {p.name for p in (tmp_path / "d").iterdir()} == {"decoder.toml", "weights.npz"}
    with np.load(tmp_path / "d" / "weights.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)


def test_nothing_is_overwritten(fitted: FittedChain, tmp_path: Path) -> None:
    save_decoder(tmp_path / "d", fitted)
    with pytest.raises(FileError) as caught:
        save_decoder(tmp_path / "d", fitted)
    assert caught.value.reason is Reason.EXISTS


def damage_weights(folder: Path) -> None:
    path = folder / "weights.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def damage_toml(folder: Path) -> None:
    (folder / "decoder.toml").write_text("schema = [", encoding="utf-8")


def newer_schema(folder: Path) -> None:
    path = folder / "decoder.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("schema = 1", "schema = 99"), encoding="utf-8")


def altered_chain(folder: Path) -> None:
    path = folder / "decoder.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("14.0", "15.0"), encoding="utf-8")


def missing_part(folder: Path) -> None:
    (folder / "weights.npz").unlink()


def missing_chain(folder: Path) -> None:
    path = folder / "decoder.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[chain.window]", "[other]"), encoding="utf-8")


@pytest.mark.parametrize(
    "damage", [damage_weights, damage_toml, newer_schema, altered_chain, missing_part, missing_chain]
)
def test_every_damage_is_one_refusal_that_names_the_file(fitted: FittedChain, tmp_path: Path, damage: object) -> None:
    folder = save_decoder(tmp_path / "d", fitted)
    damage(folder)  # type: ignore[operator]
    with pytest.raises((FileError, DecoderError, ConfigError)) as caught:
        load_decoder(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(VoloError, match="holds no decoder"):
        load_decoder(tmp_path)


@pytest.mark.parametrize(
    ("stream", "reason", "word"),
    [
        (StreamInfo("x", "eeg", 500.0, INFO.channels), Reason.WRONG_RATE, "500 Hz"),
        (StreamInfo("x", "eeg", RATE_HZ, INFO.channels[:2]), Reason.WRONG_CHANNELS, "O2"),
        (
            StreamInfo("x", "eeg", RATE_HZ, (*INFO.channels[:2], Channel("O2", unit="V"))),
            Reason.WRONG_UNIT,
            "O2 (V instead of uV)",
        ),
    ],
)
def test_a_stream_that_differs_is_refused_and_the_difference_named(
    fitted: FittedChain, stream: StreamInfo, reason: Reason, word: str
) -> None:
    with pytest.raises(DecoderError) as caught:
        fitted.decoding(stream)
    assert caught.value.reason is reason
    assert word in str(caught.value)


def test_more_channels_in_another_order_decode_the_same(fitted: FittedChain) -> None:
    wider = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Fz"), *reversed(INFO.channels)), "float32")
    check_contract(fitted.contract, wider)
    decoding = fitted.decoding(wider)
    for item in items(seed=1):
        if isinstance(item, Chunk):
            extra = np.ones((len(item), 1), np.float32)
            samples = np.hstack([extra, item.samples[:, ::-1]])
            decoding.process(Chunk("amp", item.index, samples, item.times))
        else:
            decoding.process(item)
    assert decoding.fingerprint.hexdigest() == fingerprint(fitted)


def test_a_calibration_without_trials_is_refused() -> None:
    with pytest.raises(DecoderError, match="usable labelled windows"):
        fit_chain(SPEC, INFO, [item for item in items() if isinstance(item, Chunk)])


def test_folds_follow_time_and_hold_every_class_once() -> None:
    labels, groups = ["A", "B", "B", "A", "A", "B"], [10, 11, 12, 13, 14, 15]
    assert list(time_folds(labels, groups)) == [0, 0, 1, 1, 2, 2]


def test_cascaded_bank_is_used_for_fitting_only() -> None:
    stages = (StageSpec("select"), StageSpec("filter_bank", {"pass_bands_hz": BANDS, "cascaded": True}))
    spec = ChainSpec(stages, SPEC.window, "etrca", {"n_bands": 2})
    cascaded = fit_chain(spec, INFO, items())
    plain = fit_chain(SPEC, INFO, items())
    a, b = cascaded.decoder.state(), plain.decoder.state()
    assert any(not np.allclose(a[name], b[name]) for name in a if a[name].dtype.kind == "f")


def test_a_trial_full_of_muscle_noise_is_left_out_of_training_and_counted() -> None:
    spoilt = items()
    noise = np.random.default_rng(9)
    for k, item in enumerate(spoilt):
        if isinstance(item, Chunk) and 9.0 <= item.times[0] < 10.2:  # within trial 3
            loud = item.samples + noise.normal(scale=300.0, size=item.samples.shape).astype(np.float32)
            spoilt[k] = Chunk("amp", item.index, loud, item.times)
    chain = fit_chain(SPEC, INFO, spoilt)
    assert chain.provenance["n_rejected"] == "1"
    assert chain.provenance["n_trials"] == str(N_TRIALS - 1)


def test_clean_trials_are_all_used(fitted: FittedChain) -> None:
    assert fitted.provenance["n_rejected"] == "0"
