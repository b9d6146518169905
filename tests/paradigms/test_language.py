"""The language model, and what it does to a speller."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import FileError
from volo_decoders.types import Decision
from volo_paradigms.driver import drive
from volo_paradigms.language import LanguageModel, fuse, load_language
from volo_paradigms.layout import layout_names, load_layout
from volo_paradigms.predicting import Predictor
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
EN = load_language("en")


@given(st.text(max_size=30))
def test_letters_are_a_distribution_and_none_is_impossible(written: str) -> None:
    p = EN.letters(written, LETTERS)
    assert math.isclose(sum(p.values()), 1.0)
    assert min(p.values()) > 0.0


def test_letters_by_hand_on_a_text_that_can_be_counted() -> None:
    # "abab" padded with a blank: after a comes b twice; order 1, alphabet {a, b}; Witten-Bell by hand
    model = LanguageModel("abab", order=1)
    # order 0: a 2, b 2 of 4, two kinds: (2 + 2 * 1/2) / 6 = 1/2; after "a": b 2 of 2, one kind
    p = model.letters("a", ("a", "b"))
    assert p == pytest.approx({"a": (0 + 0.5) / 3, "b": (2 + 0.5) / 3})


def test_what_was_begun_is_likely_to_go_on() -> None:
    p = EN.letters("PLEASE HEL", LETTERS)
    assert max(p, key=lambda c: p[c]) in "PL"
    q = EN.letters("TH", LETTERS)
    assert q["E"] + q["A"] + q["I"] > 0.7
    assert q["Z"] < 0.02


def test_the_model_saves_more_than_half_of_the_bits_of_a_letter() -> None:
    held_out = "I would like to see my daughter tomorrow morning please"
    bits = [-math.log2(EN.letters(held_out[:n], LETTERS)[held_out[n].upper()]) for n in range(len(held_out))]
    assert sum(bits) / len(bits) < 0.6 * math.log2(len(LETTERS))


def test_words_are_endings_of_the_one_begun_or_followers_of_the_last() -> None:
    assert EN.words("I WANT TO SL", 3)[0] == "sleep"
    assert EN.words("thank ", 2)[0] == "you"
    assert EN.completion("I WANT TO SL", "sleep") == "EEP "
    assert EN.completion("thank ", "you") == "you "
    assert EN.words("xqz", 3) == []


probabilities = st.dictionaries(st.sampled_from("ABCDE"), st.floats(0.001, 1.0), min_size=2)


@given(probabilities, probabilities, st.floats(0.0, 1.0))
def test_weighing_gives_a_distribution_and_weight_zero_changes_nothing(p, prior, weight: float) -> None:
    fused = fuse(p, prior, weight)
    assert math.isclose(sum(fused.values()), 1.0)
    whole = sum(p.values())
    for label, value in fuse(p, prior, 0.0).items():
        assert math.isclose(value, p[label] / whole, rel_tol=1e-9)


def test_with_weight_one_it_is_bayes_rule() -> None:
    p, prior = {"A": 0.6, "B": 0.3, "C": 0.1}, {"A": 0.1, "B": 0.8, "C": 0.1}
    products = {k: p[k] * prior[k] for k in p}
    expected = {k: v / sum(products.values()) for k, v in products.items()}
    assert fuse(p, prior, 1.0) == pytest.approx(expected)


@pytest.mark.parametrize(("p", "weight", "message"), [({"A": 0.0}, 1.0, "none above 0"), ({"A": 1.0}, -1.0, "weight")])
def test_what_cannot_be_weighed_is_refused(p, weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fuse(p, {"A": 1.0}, weight)


def spelled(decisions: list[tuple[str, float]], **settings: object) -> SsvepSpeller:
    speller = SsvepSpeller(SpellerSettings(n_selections=len(decisions), **settings))  # type: ignore[arg-type]

    def decide(view, now):
        label, confidence = decisions[view.trial]
        return Decision(now, 0, label, confidence, 1, view.trial)

    drive(speller, VirtualScreen(), decide)
    return speller


def test_a_predicted_word_is_typed_in_one_go_and_taken_back_in_one_go() -> None:
    sure = [(c, 0.99) for c in "SL"]
    first = spelled(sure, layout="words", language="en")
    words = dict(first._predictor.labels("SL"))
    key = next(key for key, word in words.items() if word == "sleep")
    assert spelled([*sure, (key, 0.99)], layout="words", language="en").text == "SLEEP "
    assert spelled([*sure, (key, 0.99), ("delete", 0.99)], layout="words", language="en").text == "SL"


def test_an_unsure_decoder_is_helped_by_the_language_and_a_sure_one_is_not_overruled() -> None:
    begun = [(c, 0.999) for c in "PLEAS"]
    unsure = [*begun, ("Q", 0.06)]
    assert spelled(unsure, layout="qwerty", language="en", language_weight=1.0).text == "PLEASE"
    assert spelled(unsure, layout="qwerty", language="en", language_weight=0.0).text == "PLEASQ"
    assert spelled([*begun, ("Q", 0.9999)], layout="qwerty", language="en", language_weight=0.3).text == "PLEASQ"


@pytest.mark.parametrize("name", [name for name in layout_names() if name != "four_way"])
def test_taking_back_and_help_are_always_within_reach(name: str) -> None:
    layout = load_layout(name)
    prior = Predictor(EN, layout, 1.0).prior("HELLO WORLD")
    assert prior["delete"] >= 0.02
    assert name in ("benchmark40", "four") or prior["help"] >= 0.02
    assert math.isclose(sum(prior.values()), 1.0)


def test_help_is_told_and_writes_nothing() -> None:
    speller = SsvepSpeller(SpellerSettings(layout="qwerty", n_selections=1))
    log = drive(speller, VirtualScreen(), lambda view, now: Decision(now, 0, "help", 0.9, 1, view.trial))
    assert "participant/help" in [m.label for m in log.markers]
    assert [(c.target, c.value) for c in log.commands] == [("help", "call")]
    assert speller.text == ""


def test_an_unknown_language_or_a_weight_without_one_is_told() -> None:
    with pytest.raises(FileError, match="known are: en"):
        SsvepSpeller(SpellerSettings(language="tlh"))
    with pytest.raises(ValueError, match="no language to weigh"):
        SpellerSettings(language_weight=0.5)
