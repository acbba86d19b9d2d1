"""The panel of sweeps: which one is shown, its verdict, rule and tables, and what would make one."""

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Sweeps
from app.services.callers import LOCAL
from app.services.sweeps import sweeps
from app.ui.study import sweeps as panel
from app.ui.study.sweep_words import best_tag, neighbour_table, rule_note, sweep_table
from app.ui.theme import LIGHT
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.swept_study import RANKS, prefixed, ranked

TWO = (*RANKS, prefixed(10, (0.88, 0.89, 0.885)), prefixed(40, (0.9, 0.91, 0.9)))


def found(engine: Engine, rows: tuple[Row, ...] = RANKS) -> Sweeps:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return sweeps(engine, LOCAL, study)


def test_a_sweep_is_chosen_by_its_place_and_the_first_where_there_is_no_such(engine: Engine) -> None:
    document = found(engine, TWO)
    assert [option["label"] for option in panel.options(document)] == [
        "LoRA by rank r",
        "Prefix Tuning by prefix length",
    ]
    assert panel.chosen_place(document, "2") == 2
    for other in (None, "0", "3", "x", "²", "-1"):
        assert panel.chosen_place(document, other) == 1


@pytest.mark.parametrize(("rows", "display"), [(RANKS, "none"), (TWO, None)])
def test_there_is_a_choice_where_there_are_several(engine: Engine, rows: tuple[Row, ...], display: str | None) -> None:
    shown = panel.panel(found(engine, rows), None)
    choice = next(element for element in elements(shown) if getattr(element, "id", None) == "sweep-choice")
    assert getattr(choice, "display", None) == display


def test_the_view_is_changed_in_place_and_is_an_image_with_a_sentence(engine: Engine) -> None:
    document = found(engine, TWO)
    shown = panel.sweep_view(document, 1, "accuracy", LIGHT, narrow=False)
    ids = {getattr(element, "id", None) for element in elements(shown.children)}
    assert set(shown.updates) <= ids
    image = next(element for element in elements(shown.children) if getattr(element, "role", None) == "img")
    assert getattr(image, "aria-labelledby") in ids
    kinds = {panel.sweep_view(document, k, "accuracy", LIGHT, narrow=n).kind for k in (1, 2) for n in (False, True)}
    assert len(kinds) == 4
    assert uncovered_digits(shown.children) == []
    words = text_of(shown.children)
    assert "LoRA r4 has the largest composite" in words
    assert "by +10.8 points (shown)" in words


def test_whether_the_best_is_separable_is_a_word(engine: Engine) -> None:
    chosen = found(engine).sweeps[0]
    words = {}
    for separable in (True, False, None):
        tag = best_tag(chosen.model_copy(update={"separable": separable}))
        words[separable] = text_of(tag)
    assert words == {True: "best separable", False: "best not separable", None: "best not tested"}
    assert best_tag(chosen.model_copy(update={"best": None})) is None


def test_the_rule_is_said_in_words_with_its_numbers(engine: Engine) -> None:
    document = found(engine)
    note = rule_note(document, document.sweeps[0])
    words = text_of(note)
    assert "Composite: 0.70 × quality + 0.30 × size" in words
    assert "keeps 95\u202f% of what full fine-tuning gains over the untuned row" in words
    assert "Alpha grows in proportion. All rows share dropout 0.05, target modules query value." in words
    assert uncovered_digits(note) == []
    assert [properties["data-source"] for properties in sources(note)] == [
        "formula:sweep_weight(part quality)",
        "formula:sweep_weight(part parameters)",
        "formula:share_of_gain",
    ]


def test_the_table_has_every_value_with_its_figures_and_says_what_is_missing(engine: Engine) -> None:
    document = found(engine, (*RANKS, ranked(64, (0.94, 0.941, 0.939), speed=None)))
    chosen = document.sweeps[0]
    shown = sweep_table(document, chosen, "accuracy")
    assert text_of(shown).startswith("Rank rAccuracyCompositeTrainable parametersTraining speed, tokens/sLine")
    rows = [element for element in elements(shown) if element._type == "Tr"][1:]
    assert [text_of(row.children[0]) for row in rows] == ["1", "4 ← best", "16", "64"]
    assert [text_of(row.children[-1]) for row in rows] == ["not reached", "reached", "reached", "reached"]
    missing = next(element for element in elements(rows[-1]) if getattr(element, "title", None))
    assert (text_of(missing), missing.title) == ("–", chosen.points[-1].missing["speed"])
    assert uncovered_digits(shown) == []


def test_the_best_is_set_against_its_neighbours(engine: Engine) -> None:
    chosen = found(engine).sweeps[0]
    shown = neighbour_table(chosen)
    words = text_of(shown)
    assert "LoRA r1+10.8 [" in words
    assert "better" in words
    assert "tie" in words
    assert "seeds and test items" in words
    assert uncovered_digits(shown) == []
    assert neighbour_table(chosen.model_copy(update={"neighbours": []})) == []


def test_without_a_sweep_a_line_leads_to_each_preset(engine: Engine) -> None:
    line = panel.nothing_swept(found(engine, QUICKSTART))
    links = {text_of(element): str(element.href) for element in elements(line) if hasattr(element, "href")}
    assert links["Rank sweep"] == "/studies/new?preset=rank_sweep"
    assert len(links) == 3
    assert uncovered_digits(line) == []
    assert text_of(line).endswith("Prefix-length sweep.")
