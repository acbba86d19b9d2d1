"""One catalogue of sentences: what is said in which language, and that none is missing or left over."""

import string
from pathlib import Path

import pytest

from app.language import CATALOGUES, LANGUAGES, filled, language, negotiated, speaking, tr, trn
from app.strings.catalogue import read_chinese, said


@pytest.mark.parametrize(
    ("chosen", "accepted", "expected"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "fr-FR, zh;q=0.5", "zh"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("xx", "de", "en"),
        ("../../etc", "zh", "zh"),
    ],
)
def test_the_choice_comes_before_what_the_browser_accepts(chosen: str | None, accepted: str, expected: str) -> None:
    assert negotiated(chosen, accepted) == expected


def test_every_language_but_the_one_of_the_code_has_a_catalogue() -> None:
    assert {path.stem for path in Path(CATALOGUES).glob("*.po")} == LANGUAGES.keys() - {"en"}


def test_what_is_said_outside_a_request_is_english() -> None:
    assert language() == "en"
    with speaking("zh"):
        assert language() == "zh"
    assert trn("{count} run", "{count} runs", 1) == "1 run"
    assert trn("{count} run", "{count} runs", 2) == "2 runs"


def test_a_sentence_keeps_its_pieces() -> None:
    assert filled("a {b} c {d}", b=1, d=[2]) == ["a ", 1, " c ", [2]]
    assert (
        tr(
            "{50 %",
        )
        == "{50 %"
    )


def test_no_sentence_is_missing_and_none_is_left_over() -> None:
    kept = {
        message.id if isinstance(message.id, str) else tuple(message.id) for message in read_chinese() if message.id
    }
    assert sorted(map(str, said() - kept)) == [], "run `make strings` and translate these"
    assert sorted(map(str, kept - said())) == [], "nothing says these any more: run `make strings`"


def test_every_translation_is_there_and_has_the_same_places() -> None:
    for message in read_chinese():
        if not message.id:
            continue
        many = message.id if isinstance(message.id, str) else message.id[1]
        said_as = message.string if isinstance(message.string, str) else message.string[0]
        assert said_as.strip(), many
        assert not message.fuzzy, many
        assert _places(said_as) == _places(many), many


def _places(sentence: str) -> set[str]:
    try:
        return {place for _, place, _, _ in string.Formatter().parse(sentence) if place is not None}
    except ValueError:
        return set()
