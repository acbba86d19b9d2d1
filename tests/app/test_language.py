"""One catalogue of sentences: what is said in which language, and that none is missing or left over."""

import re
import string
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.language import CATALOGUES, COOKIE, LANGUAGES, filled, filledn, language, negotiated, speaking, tr, trn
from app.strings.cards import card_sentences
from app.strings.catalogue import read_chinese, said
from peft_core.scenario import scenarios
from tests.app.services import exported


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
    assert filledn("{n} run", "{n} runs", 2, n=3.0) == [3.0, " runs"]
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


def test_what_the_catalogues_say_is_collected() -> None:
    """peft_core knows no language, so its sentences are found by walking its catalogues."""
    assert {"An answer within the hour, with little set-up.", "Rank", "LoRA", "Accuracy"} <= card_sentences() <= said()


def test_every_translation_is_there_and_has_the_same_places() -> None:
    for message in read_chinese():
        if not message.id:
            continue
        many = message.id if isinstance(message.id, str) else message.id[1]
        (said_as, *_) = [message.string] if isinstance(message.string, str) else message.string or [""]
        assert said_as.strip(), many
        assert not message.fuzzy, many
        assert _places(said_as) == _places(many), many


def _places(sentence: str) -> set[str]:
    try:
        return {place for _, place, _, _ in string.Formatter().parse(sentence) if place is not None}
    except ValueError:
        return set()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "en"),
        ({"accept-language": "zh-CN,zh;q=0.9"}, "zh"),
        ({"cookie": f"{COOKIE}=zh"}, "zh"),
        ({"cookie": f"{COOKIE}=en", "accept-language": "zh"}, "en"),
    ],
)
async def test_the_api_answers_in_the_readers_language(
    api: httpx.AsyncClient, headers: dict[str, str], expected: str
) -> None:
    kind = scenarios()["production"]
    answer = (await api.get("/api/v1/scenarios", headers=headers)).json()["items"]
    [card] = [card for card in answer if card["key"] == "production"]
    with speaking(expected):
        assert card["title"] == tr(kind.title)
    assert card["constraint"] == kind.constraint
    assert card["weights"].keys() == kind.weights.keys()


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["methods", "metrics", "scenarios", "task-kinds", "presets"])
async def test_keys_and_figures_of_a_card_are_the_same_in_every_language(api: httpx.AsyncClient, path: str) -> None:
    english, chinese = [
        (await api.get(f"/api/v1/{path}", headers={"accept-language": name})).json()["items"] for name in LANGUAGES
    ]
    assert [_without_words(card) for card in english] == [_without_words(card) for card in chinese]


WORDS = frozenset(
    {"title", "summary", "trains", "effect", "meaning", "how", "textbook_pick", "learning_rate_source", "metric"}
)
"""Fields of a card that a person reads."""


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_words(entry) for key, entry in value.items() if key not in WORDS or key == "paper"}
    return [_without_words(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["json", "csv", "yaml"])
async def test_what_programs_read_is_the_same_in_every_language(
    web: FastAPI, api: httpx.AsyncClient, kind: str
) -> None:
    study = exported.finished(web.state.engine)
    texts = [
        (await api.get(f"/api/v1/studies/{study}/export?format={kind}", headers={"accept-language": name})).text
        for name in LANGUAGES
    ]
    said_once = [re.sub(r'"exported_at":"[^"]+"', "", text) for text in texts]
    assert said_once[0] == said_once[1]


@pytest.mark.anyio
async def test_a_sentence_has_the_same_numbers_and_names_in_every_language(
    web: FastAPI, api: httpx.AsyncClient
) -> None:
    study = exported.finished(web.state.engine)
    asked = {"study": study, "scenario": "multi_task"}
    told = []
    for name in LANGUAGES:
        headers = {"accept-language": name}
        compared = (await api.get(f"/api/v1/studies/{study}/comparison", headers=headers)).json()
        recommended = (await api.post("/api/v1/recommendations", json=asked, headers=headers)).json()
        told.append([compared["verdict"], recommended["reason"]])
    english, chinese = told
    for first, second in zip(english, chinese, strict=True):
        assert _words(first) != _words(second)
        assert _numbers(first) == _numbers(second) != []


def _words(parts: list[dict[str, Any]]) -> str:
    return "".join(part["text"] or "" for part in parts)


def _numbers(parts: list[dict[str, Any]]) -> list[str]:
    """Their order is the language's own business."""
    return sorted(str(part["number"]) for part in parts if part["number"])


@pytest.mark.anyio
async def test_a_refusal_is_said_in_the_readers_language(api: httpx.AsyncClient) -> None:
    details = [
        (await api.get("/api/v1/studies/77", headers={"accept-language": name})).json()["detail"] for name in LANGUAGES
    ]
    assert details[0] == "There is no study 77."
    assert "77" in details[1] != details[0]


@pytest.mark.anyio
async def test_what_people_read_of_a_study_is_in_their_language(web: FastAPI, api: httpx.AsyncClient) -> None:
    study = exported.finished(web.state.engine)
    for kind, english in (("md", "## Differences"), ("html", "How these numbers were made")):
        texts = [
            (await api.get(f"/api/v1/studies/{study}/export?format={kind}", headers={"accept-language": name})).text
            for name in LANGUAGES
        ]
        assert english in texts[0]
        assert english not in texts[1]
