"""The guide's parts as they are rendered: what an address says, sourced numbers, verdicts, prices, drawings."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from dash import html
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Claims, CostsView, MethodCard, Sighting, Sightings
from app.services.callers import LOCAL
from app.services.catalogue import list_methods
from app.services.chapter_costs import costs as read_costs
from app.services.chapter_costs import published_models
from app.services.claim_verdicts import judge_claims
from app.settings import Settings as AppSettings
from app.ui.charts.drawing import Drawing
from app.ui.guide import claims, hyperparameters, live, reading, troubleshooting, workflow
from app.ui.guide.figures import with_price
from app.ui.guide.frame import SECTIONS, contents
from app.ui.guide.how import drawings, how
from app.ui.guide.rank import rank
from app.ui.guide.settings import SIZES, SLIDERS, Settings
from app.ui.guide.sizes import sizes
from app.ui.guide.why import why
from app.ui.numbers import by_formula
from peft_core.spec import Budget
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.finished_study import insert
from tests.flow.swept_study import RANKS


@pytest.fixture
def costs(engine: Engine, settings: AppSettings) -> CostsView:
    return read_costs(engine, settings, LOCAL, Settings(model=SIZES, width=512, layers=8, rank=16).request())


@pytest.fixture
def cards(settings: AppSettings) -> list[MethodCard]:
    return list_methods(settings, "minilm", "classification", Budget(steps=150))


def judged(engine: Engine, settings: AppSettings) -> Claims:
    with system_session(engine) as session:
        insert(session, team_id=1, name="Quickstart")
        insert(session, team_id=1, rows=RANKS, name="Ranks")
    return judge_claims(engine, LOCAL)


def regions(node: Any) -> Iterator[Any]:
    """The boxes whose digits need a source."""
    return (one for one in elements(node) if one.to_plotly_json()["props"].get("data-region") == "evidence")


# -- the case ----------------------------------------------------------------------------------------------------------


@given(values=some.tuples(*(some.integers(slider.low, slider.high) for slider in SLIDERS)))
def test_an_address_gives_the_case_back(values: tuple[int, ...]) -> None:
    named = {
        slider.name: 2**value if slider.power else slider.low + (value - slider.low) // slider.step * slider.step
        for slider, value in zip(SLIDERS, values, strict=True)
    }
    settings = Settings(model=SIZES, device="cpu", **named)  # type: ignore[arg-type]
    assert Settings.from_query(dict(parse_qsl(settings.query()))) == settings


def test_an_address_says_only_what_is_not_as_it_stands_by_itself() -> None:
    assert Settings().query() == ""
    assert Settings(rank=16, price=3.0).query() == "rank=16"
    assert "width" not in Settings(width=1024).query(), "the model has its own"


@pytest.mark.parametrize(
    "query", [{"rank": "0"}, {"rank": "1e9"}, {"rank": "²"}, {"layers": "9" * 400}, {"device": "tpu"}, {"width": "-64"}]
)
def test_what_cannot_be_read_is_as_it_stands_by_itself(query: dict[str, str]) -> None:
    assert Settings.from_query(query) == Settings()


def test_a_value_between_the_steps_of_a_slider_is_the_step_below() -> None:
    assert Settings.from_query({"rank": "12", "width": "800"}) == Settings(rank=8, width=768)


def test_a_config_has_to_be_an_object() -> None:
    for text in ("", "[1]", "{", '"x"'):
        with pytest.raises(ValueError, match=r"not an object|Expecting"):
            Settings(model="config", config=text).request()


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_every_digit_of_the_boxes_says_its_source(costs: CostsView) -> None:
    for part in (why(costs, published_models()), how(costs, None), rank(costs), sizes(costs)):
        found = [digits for box in regions(part) for digits in uncovered_digits(box)]
        assert found == []
        assert len(list(regions(part))) > 0


def test_the_boxes_of_the_callback_are_those_of_the_page(costs: CostsView) -> None:
    assert tuple(live.boxes(costs, Settings())) == live.BOXES
    page = html.Div([why(costs, published_models()), how(costs, None), rank(costs), sizes(costs)])
    named = {getattr(one, "id", None) for one in elements(page) if isinstance(getattr(one, "id", None), str)}
    assert set(live.BOXES) <= named


def test_the_arithmetic_of_a_layer_is_that_of_the_case(costs: CostsView) -> None:
    [list_of_figures] = live.boxes(costs, Settings())["chapter-lora"]
    shown = {found["data-source"]: float(found["data-value"]) for found in sources(list_of_figures)}
    assert shown == {
        "formula:matrix_parameters(width 512)": 512**2,
        "formula:lora_parameters(width 512, rank 16)": 2 * 512 * 16,
        "formula:lora_reduction(width 512, rank 16)": 16,
        "formula:lora_added_share(width 512, rank 16)": 1 / 16,
    }


def test_a_price_stands_beside_a_time_and_only_where_one_is_given() -> None:
    hour = by_formula(3_600, "seconds", "time")
    assert text_of(with_price(hour, None)) == "≈\u202f1\u202fh 0\u202fmin"
    priced = with_price(hour, 2.5)
    assert "2.5" in text_of(priced)
    assert sources(html.Div(priced))[1]["data-source"] == "formula:price_of(seconds 3600.0, price 2.5)"


# -- drawings ----------------------------------------------------------------------------------------------------------


def drawn(drawing: Drawing, class_name: str) -> list[dict[str, Any]]:
    return [part["attributes"] for part in drawing.parts if part["attributes"].get("class") == class_name]


def test_thin_matrices_are_drawn_to_scale(costs: CostsView) -> None:
    a, b = drawn(drawings(costs)["lora"], "drawn-trained")
    [w] = drawn(drawings(costs)["lora"], "drawn-frozen")
    assert a["height"] / a["width"] == pytest.approx(16 / 512)
    assert b["width"] / b["height"] == pytest.approx(16 / 512)
    assert (w["width"], w["height"]) == (a["width"], b["height"])


def test_drawings_speak_a_sentence_and_their_numbers_have_sources(costs: CostsView) -> None:
    for drawing in drawings(costs).values():
        assert len(drawing.sentence) > 60
        assert not any(character.isdigit() for character in drawing.sentence)
        texts = [child for part in drawing.parts if part["tag"] == "text" for child in part["children"]]
        assert not [text for text in texts if isinstance(text, str) and any(sign.isdecimal() for sign in text)]
        assert all("data-source" in text["attributes"] for text in texts if isinstance(text, dict))


# -- claims ------------------------------------------------------------------------------------------------------------


def test_a_claim_without_evidence_leads_to_the_study_that_would_give_it(engine: Engine, settings: AppSettings) -> None:
    found = html.Div(claims.listed(judge_claims(engine, LOCAL)))
    links = [one.href for one in elements(found) if "chapter-launch" in str(getattr(one, "className", ""))]
    assert "/studies/new?preset=rank_sweep" in links
    assert len(links) == 13


def test_claims_with_evidence_link_the_study_and_every_digit_has_a_source(
    engine: Engine, settings: AppSettings
) -> None:
    found = judged(engine, settings)
    shown = html.Div(claims.listed(found))
    assert [digits for box in regions(shown) for digits in uncovered_digits(box)] == []
    assert "/studies/1" in [getattr(one, "href", None) for one in elements(shown)]
    assert text_of(claims.in_section(found, "lora_rank_sixteen")).startswith("~ undecided")


def test_what_mathematics_says_is_sourced(costs: CostsView) -> None:
    said = costs.model_dump(mode="json")["formulas"]
    assert uncovered_digits(claims.formula(said["lora_forward_flops"])) == []
    assert "16.0×" in text_of(claims.formula(said["lora_forward_flops"]))
    assert claims.formula(said.get("quality_kept")) == []


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_section_has_its_anchor(costs: CostsView, cards: list[MethodCard]) -> None:
    page = html.Div(
        [
            why(costs, published_models()),
            how(costs, None),
            rank(costs),
            sizes(costs),
            claims.claims(),
            hyperparameters.hyperparameters(cards),
            troubleshooting.troubleshooting(),
            workflow.workflow(),
            reading.reading(cards),
        ]
    )
    assert [one.id for one in elements(page) if isinstance(one, html.Section)] == list(SECTIONS)
    links = [one.href for one in elements(contents()) if isinstance(one, html.A)]
    assert links == [f"#{key}" for key in SECTIONS]


def test_the_chapters_values_stand_beside_the_catalogues(cards: list[MethodCard]) -> None:
    rows = [one for one in elements(hyperparameters.hyperparameters(cards)) if isinstance(one, html.Tr)]
    bottleneck = next(row for row in rows if "Bottleneck b" in text_of(row))
    assert "24 to 96" in text_of(bottleneck)
    assert "usually d/8" in text_of(bottleneck)
    text = text_of(hyperparameters.hyperparameters(cards))
    assert all(printed in text for printed in hyperparameters.TEXTBOOK.values())
    assert all(card.title in text for card in cards if card.hyperparameters)


def test_further_reading_has_every_paper_of_the_catalogue(cards: list[MethodCard]) -> None:
    links = {one.href for one in elements(reading.reading(cards)) if isinstance(one, html.A)}
    assert {card.paper.url for card in cards if card.paper is not None} <= links


def test_a_symptom_names_the_runs_in_which_it_was_seen() -> None:
    run = Sighting(run_id=7, study=1, study_name="Quickstart", label="LoRA r8")
    found = Sightings(items={"out_of_memory": [run]})
    seen = html.Div(troubleshooting.seen(found, "out_of_memory"))
    assert [one.href for one in elements(seen) if isinstance(one, html.A)] == ["/runs/7"]
    assert "Not seen" in text_of(troubleshooting.seen(found, "slow_convergence"))
