"""The selection guide's part of Recommend: answers in the address, the tree, its leaves, the textbook beside them."""

from typing import Any
from urllib.parse import parse_qsl

import pytest
from dash import html
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import LeafView, SelectionGuide
from app.services.callers import LOCAL
from app.services.reasons import CAUSES
from app.services.selection_guide import selection_guide
from app.ui.recommend.guide_case import LIMITS, GuideCase, answers_to, reached
from app.ui.recommend.guide_leaf import leaf_panel
from app.ui.recommend.guide_overview import every_leaf, regret_panel
from app.ui.recommend.guide_textbook import AGREEMENTS
from app.ui.recommend.guide_tree import guide_tree
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.finished_study import QUICKSTART, insert

QUICK = {"limited_resources": True, "high_quality": True}


@pytest.fixture
def guide(engine: Engine) -> SelectionGuide:
    """From one whole study and one without references."""
    with system_session(engine) as session:
        insert(session, team_id=1, name="Whole")
        insert(session, team_id=1, name="No references", rows=QUICKSTART[4:6])
    return selection_guide(engine, LOCAL, None, {})


def buttons(node: Any) -> list[html.Button]:
    return [found for found in elements(node) if isinstance(found, html.Button) and isinstance(found.id, dict)]


def branches(node: Any) -> dict[str, str]:
    """Whether each branch is pressed, by its goal."""
    named = [button for button in buttons(node) if button.id["type"] == "guide-branch"]
    return {button.id["goal"]: getattr(button, "aria-pressed") for button in named}


# -- the answers -------------------------------------------------------------------------------------------------------


@given(
    study=some.none() | some.integers(1, 10**9),
    answers=some.dictionaries(some.sampled_from(["limited_resources", "very_best"]), some.booleans()),
    constraints=some.dictionaries(some.sampled_from(LIMITS), some.floats(0, 1e13)),
)
def test_an_address_gives_the_answers_back(study: int | None, answers: Any, constraints: Any) -> None:
    case = GuideCase(study, answers, constraints)
    read = GuideCase.from_query(dict(parse_qsl(case.query())))
    assert (read.study, read.answers) == (study, answers)
    assert read.constraints == pytest.approx(constraints, rel=1e-9)


@pytest.mark.parametrize("query", [{"answers": "limited_resources"}, {"answers": "a:maybe"}, {"study": "²"}])
def test_what_cannot_be_read_is_not_answered(query: dict[str, str]) -> None:
    assert GuideCase.from_query(query) == GuideCase(None, {}, {})


def test_answers_lead_to_a_leaf_and_every_leaf_has_its_answers(guide: SelectionGuide) -> None:
    for leaf in guide.leaves:
        answers = answers_to(guide.questions, leaf.key)
        assert answers == {step.question: step.answer for step in leaf.path}
        assert reached(guide, answers)[1] == leaf
    goals, here = reached(guide, {"limited_resources": False, "nothing": True})
    assert (goals, here.key) == (["several_tasks"], "several_tasks")


# -- the tree ----------------------------------------------------------------------------------------------------------


def test_the_tree_shows_every_question_and_presses_the_answered_branches(guide: SelectionGuide) -> None:
    tree = guide_tree(guide, QUICK)
    words = text_of(tree)
    assert all(question.text in words for question in guide.questions)
    pressed = branches(tree)
    assert set(pressed) == {goal for question in guide.questions for goal in (question.yes, question.no)}
    assert [goal for goal, state in pressed.items() if state == "true"] == ["high_quality", "limited_and_high_quality"]
    assert uncovered_digits(tree) == []


def test_a_leaf_of_the_tree_says_its_pick_and_how_sure_it_is(guide: SelectionGuide) -> None:
    leaf = guide.leaves[0]
    [button] = [one for one in buttons(guide_tree(guide, {})) if one.id.get("goal") == leaf.key]
    assert leaf.title is not None
    assert leaf.title in text_of(button)
    assert leaf.verdict in text_of(button)
    assert [found["data-statistic"] for found in sources(button)] == ["p_best"]


# -- a leaf ------------------------------------------------------------------------------------------------------------


def shown(guide: SelectionGuide, leaf: LeafView) -> html.Div:
    return html.Div(leaf_panel(guide, answers_to(guide.questions, leaf.key)))


def test_every_leaf_says_pick_verdict_studies_and_the_textbook(guide: SelectionGuide) -> None:
    for leaf in guide.leaves:
        page = shown(guide, leaf)
        words = text_of(page)
        assert leaf.title is not None
        assert leaf.title in words
        assert leaf.textbook.title in words
        assert leaf.textbook.agreement is not None
        assert AGREEMENTS[leaf.textbook.agreement][1] in words
        assert ("Use " in words) == (leaf.verdict in ("clear", "lean"))
        assert uncovered_digits(page) == []
        links = [str(one.href) for one in elements(page) if isinstance(one, html.A)]
        assert {"/studies/1", "/studies/2"} <= set(links)
        [why] = [link for link in links if link.startswith("/recommend?")]
        assert f"scenario={leaf.scenarios[0]}" in why
        assert "weights=" in why


def test_a_study_that_does_not_answer_says_why(guide: SelectionGuide) -> None:
    words = text_of(shown(guide, guide.leaves[0]))
    assert "No referencesNot enough evidence" in words
    assert CAUSES["references"] in words


def test_an_open_question_is_asked(guide: SelectionGuide) -> None:
    assert "Are resources limited?" in text_of(leaf_panel(guide, {}))
    assert "Are several tasks served" in text_of(leaf_panel(guide, {"limited_resources": False}))


def test_without_an_answer_the_chapters_methods_are_one_link_away(engine: Engine) -> None:
    with system_session(engine) as session:
        insert(session, team_id=1, rows=QUICKSTART[4:6])
    guide = selection_guide(engine, LOCAL, None, {})
    page = shown(guide, guide.leaves[0])
    assert "Not enough evidence" in text_of(page)
    assert "/studies/new?preset=chapter_five" in [one.href for one in elements(page) if isinstance(one, html.A)]
    assert uncovered_digits([page, every_leaf(guide), regret_panel(guide)]) == []


def test_agreement_is_a_word_and_a_sign_never_colour_alone(guide: SelectionGuide) -> None:
    for agreement, (sign, word, _) in AGREEMENTS.items():
        book = guide.leaves[0].textbook.model_copy(update={"agreement": agreement})
        leaf = guide.leaves[0].model_copy(update={"textbook": book})
        table = text_of(every_leaf(guide.model_copy(update={"leaves": [leaf]})))
        assert f"{sign}{word}" in table


# -- all leaves, and the regret ----------------------------------------------------------------------------------------


def test_the_overview_has_a_row_for_every_leaf(guide: SelectionGuide) -> None:
    table = every_leaf(guide)
    assert uncovered_digits(table) == []
    rows = [one for one in elements(table) if isinstance(one, html.Tr)]
    assert len(rows) == 1 + len(guide.leaves)
    labels = [getattr(cell, "data-column") for cell in elements(rows[1]) if isinstance(cell, html.Td)]
    assert labels == ["Evidence picks", "P(best)", "Studies", "Runner-up", "Textbook", "Agreement"]


def test_the_regret_is_told_only_where_it_is_known(guide: SelectionGuide, engine: Engine) -> None:
    unknown = regret_panel(guide)
    assert "is not known" in text_of(unknown)
    assert uncovered_digits(unknown) == []
    with system_session(engine) as session:
        for name in ("A", "B", "C"):
            insert(session, team_id=1, name=name)
    known = regret_panel(selection_guide(engine, LOCAL, None, {}))
    statistics = {found["data-statistic"] for found in sources(known)}
    assert {"regret_of_the_guide", "regret_of_always"} <= statistics
    assert uncovered_digits(known) == []
