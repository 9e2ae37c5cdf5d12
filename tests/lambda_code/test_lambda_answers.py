"""Texts are cut where the service would refuse them, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import fit, send
from decisions import Decision, Outcome
from lambda_fakes import World, token

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("", ""),
        ("abcdefgh", "abcdefgh"),
        ("abcdefghi", "abcdefg…"),
        ("äöüäöüäö", "äöüäöüäö"),
        ("🌍🌍🌍🌍", "🌍🌍🌍🌍"),
        ("🌍🌍🌍🌍🌍", "🌍🌍🌍…"),
        ("a🌍🌍🌍🌍", "a🌍🌍🌍…"),
        ("half \ud83d", "half ?"),
    ],
)
def test_texts_are_cut_on_character_borders(text: str, fitted: str) -> None:
    assert fit(text, 8) == fitted


@given(ANY_TEXT, st.integers(1, 40))
def test_a_fitted_text_can_be_sent_and_fits_by_every_count(text: str, length: int) -> None:
    fitted = fit(text, length)
    fitted.encode()
    assert len(fitted) <= utf16_units(fitted) <= length


@given(st.text(), st.integers(1, 40))
def test_a_text_that_fits_is_left_alone_and_another_keeps_its_beginning(text: str, length: int) -> None:
    fitted = fit(text, length)
    if utf16_units(text) <= length:
        assert fitted == text
    else:
        assert text.startswith(fitted.removesuffix("…"))
        assert utf16_units(fitted) >= length - 1


def test_a_long_output_is_cut_to_what_an_output_may_hold(world: World) -> None:
    world.sagemaker.open_tokens.add(token())
    decision = Decision(Outcome.SUCCESS, "done", outputs={"name": "v" * 2000})
    assert send(decision, token(), "", world.invocation())
    assert world.sagemaker.answers[token()] == ("success", {"name": "v" * 1023 + "…"})
