"""What the Compare page says of a few studies, without a browser."""

from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.db.tables import Run, Study
from app.schemas import StudiesCompared
from app.services.across_studies import Asked, compare_studies
from app.services.callers import LOCAL
from app.ui.charts.critical_difference import critical_difference, diagram_height
from app.ui.charts.pair_forest import outcome, pair_forest
from app.ui.charts.rank_intervals import rank_intervals
from app.ui.compare.figures import drawn, room
from app.ui.compare.matrix import matrix, missing_list
from app.ui.compare.panels import texts
from app.ui.compare.question import ComparedQuestion, address_of
from app.ui.compare.too_few import too_few
from app.ui.theme import DARK, LIGHT
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.several_studies import insert_several

LINE_PX = 26


def found(engine: Engine, count: int, asked: Asked = Asked(), **changes: Any) -> StudiesCompared:  # noqa: B008 (frozen)
    with system_session(engine) as session:
        insert_several(session, count, **changes)
    return compare_studies(engine, LOCAL, asked)


@pytest.mark.parametrize("count", [2, 8])
def test_every_number_has_its_source(engine: Engine, count: int) -> None:
    shown = found(engine, count)
    for name, words in texts(shown).items():
        if name not in ("compare-missing", "compare-left-out"):
            assert uncovered_digits(words) == [], name


def test_below_eight_studies_it_says_how_many_are_missing(engine: Engine) -> None:
    words = texts(found(engine, 3))
    assert "still missing: 5" in text_of(words["compare-pair-sentence"])
    assert "still missing: 5" in text_of(words["compare-ranking-sentence"])
    assert "is not known from so few" in text_of(words["compare-answer"])


def test_a_missing_cell_is_missing_and_says_why(engine: Engine) -> None:
    shown = found(engine, 2, Asked(methods=("lora", "adapter", "full")), without=("adapter",))
    cells = [one for one in elements(matrix(shown)) if "compare-missing" in str(getattr(one, "className", ""))]
    assert [text_of(cell) for cell in cells] == ["–"]
    assert "Adapter in Study B: not in this study" in text_of(missing_list(shown))


def test_imported_results_are_labelled(engine: Engine) -> None:
    first = found(engine, 2).chosen[0]
    with system_session(engine) as session:
        session.get_one(Study, first).origin = {"kind": "hf-peft", "label": "imported, single seed"}
        for run in session.query(Run).filter(Run.study_id == first):
            run.source = "imported"
    shown = compare_studies(engine, LOCAL, Asked())
    tags = [text_of(one) for one in elements(matrix(shown)) if "tag" in str(getattr(one, "className", ""))]
    assert tags == ["imported, single seed"]
    assert any(one["data-source"].startswith("import:runs:") for one in sources(matrix(shown)))


def test_the_forest_is_hollow_exactly_where_the_interval_holds_none(engine: Engine) -> None:
    shown = found(engine, 9)
    assert shown.pair is not None
    symbols = next(trace.marker.symbol for trace in pair_forest(shown, LIGHT).data if trace.hovertext is not None)
    for one, symbol in zip(shown.pair.differences, symbols, strict=True):
        assert one.interval is not None
        assert (outcome(one) == "tie") == (one.interval[0].value <= 0 <= one.interval[1].value)
        assert symbol.endswith("open") == (outcome(one) == "tie")


def test_the_diagram_has_a_bar_for_each_group_and_a_mark_for_each_method(engine: Engine) -> None:
    shown = found(engine, 9)
    assert shown.all is not None
    assert shown.all.friedman is not None
    for narrow in (False, True):
        figure = critical_difference(shown, DARK, narrow=narrow)
        bars = [trace for trace in figure.data if trace.mode == "lines" and trace.line.width == 5]
        assert len(bars) == len(shown.all.friedman.groups)
        ranks = {trace.x[0] for trace in figure.data if trace.mode == "markers" and trace.y[0] == 0}
        assert ranks == {place.mean_rank.value for place in shown.all.places}
        assert figure.layout.height == diagram_height(6, len(bars), narrow=narrow)
    assert diagram_height(6, 2, narrow=True) - diagram_height(6, 2, narrow=False) == 3 * LINE_PX


def test_room_is_kept_for_exactly_what_is_drawn(engine: Engine) -> None:
    few = found(engine, 3)
    figures = drawn(few, LIGHT, narrow=False)
    assert figures["posterior"] is None
    assert room(few)["posterior"] == {"--wide": "0px", "--narrow": "0px"}
    assert room(few)["ranking"]["--wide"] == f"{rank_intervals(few, LIGHT).layout.height + 40}px"


def test_an_address_says_only_what_is_not_chosen_by_itself(engine: Engine) -> None:
    shown = found(engine, 3)
    assert not any(address_of(shown, ComparedQuestion()).values())
    typed = ComparedQuestion.from_query({"studies": "1,x,2;3,٣", "a": "adapter", "approved": "yes", "tab": "mine"})
    assert typed == ComparedQuestion(studies="1", a="adapter", approved="")
    fewer = compare_studies(engine, LOCAL, Asked(studies=(1, 2), a="adapter"))
    asked = ComparedQuestion(studies="1,2", a="adapter")
    assert address_of(fewer, asked) == {
        "kind": None,
        "studies": "2,1",
        "methods": None,
        "a": "adapter",
        "b": None,
        "approved": None,
    }


def test_too_few_studies_lead_to_launching_and_importing(engine: Engine) -> None:
    page = too_few(found(engine, 1))
    links = [one.href for one in elements(page) if getattr(one, "href", None)]
    assert links[:2] == ["/studies/new", "/import"]
    assert "One study more" in text_of(page)


def test_where_another_kind_of_task_has_more_studies_it_is_offered(engine: Engine) -> None:
    found(engine, 3)
    with system_session(engine) as session:
        session.get_one(Study, 1).task = session.get_one(Study, 1).task | {"kind": "sentence_pair"}
    page = too_few(compare_studies(engine, LOCAL, Asked(kind="sentence_pair")))
    links = {text_of(one): one.href for one in elements(page) if getattr(one, "href", None)}
    assert links["Sequence classification"] == "/compare?kind=classification"
