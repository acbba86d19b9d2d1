"""The panels of the page: what stands in them follows the question, the panels themselves stay."""

from typing import Any

from dash import dcc, html

from app.language import tr
from app.schemas import StudiesCompared
from app.ui.compare.controls import controls, pair_fields
from app.ui.compare.figures import FIGURES, room
from app.ui.compare.matrix import answer, left_out, legend, matrix, missing_list
from app.ui.compare.question import csv_address
from app.ui.compare.words import pair_note, pair_sentence, pair_table, ranking_note, ranking_sentence, ranking_table


def panels(found: StudiesCompared, *, approved_only: bool) -> list[Any]:
    """The whole page but for its figures."""
    words = texts(found)
    choice = controls(found, approved_only=approved_only)
    return [choice, _matrix(found, words), _pair(found, words), _ranking(found, words), _left_out(words)]


def texts(found: StudiesCompared) -> dict[str, Any]:
    """Element -> what it says."""
    pair, ranked = found.pair, found.all is not None and found.all.places
    return {
        "compare-answer": answer(found),
        "compare-matrix": [matrix(found), html.Div(legend(found), className="legend", **{"data-region": "evidence"})],
        "compare-missing": missing_list(found),
        "compare-pair-sentence": pair_sentence(found),
        "compare-pair-note": pair_note(pair) if pair and pair.differences else [],
        "compare-pair-table": _table(pair_table(found)) if pair and pair.differences else [],
        "compare-ranking-sentence": ranking_sentence(found),
        "compare-ranking-note": ranking_note(found),
        "compare-ranking-table": _table(ranking_table(found)) if ranked else [],
        "compare-left-out": left_out(found),
    }


def _table(table: html.Div) -> html.Details:
    return html.Details([html.Summary(tr("The same numbers as a table")), table], className="more")


def _matrix(found: StudiesCompared, words: dict[str, Any]) -> html.Section:
    link = html.A("CSV", href=csv_address(found), id="compare-csv", className="button button-plain")
    head = html.Div([html.H2(tr("Quality by study and method")), link], className="panel-head")
    parts = [head, _said("compare-matrix", words), _said("compare-missing", words)]
    return html.Section(parts, className="panel")


def _pair(found: StudiesCompared, words: dict[str, Any]) -> html.Section:
    head = html.Div([html.H2(tr("One method against another")), pair_fields(found)], className="panel-head")
    places = html.Div([_place(found, "forest"), _place(found, "posterior")], className="compare-pair-figures")
    return html.Section(
        [
            head,
            html.P(words["compare-pair-sentence"], id="compare-pair-sentence", className="panel-answer"),
            places,
            html.P(words["compare-pair-note"], id="compare-pair-note", className="study-note"),
            _said("compare-pair-table", words),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def _ranking(found: StudiesCompared, words: dict[str, Any]) -> html.Section:
    return html.Section(
        [
            html.Div(html.H2(tr("All methods")), className="panel-head"),
            html.P(words["compare-ranking-sentence"], id="compare-ranking-sentence", className="panel-answer"),
            _place(found, "ranking"),
            html.P(words["compare-ranking-note"], id="compare-ranking-note", className="study-note"),
            _said("compare-ranking-table", words),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def _left_out(words: dict[str, Any]) -> html.Section:
    return html.Section([html.H2(tr("Studies left out")), _said("compare-left-out", words)], className="panel")


def _said(name: str, words: dict[str, Any]) -> html.Div:
    return html.Div(words[name], id=name)


def _place(found: StudiesCompared, figure: str) -> html.Div:
    assert figure in FIGURES, "a figure of the page"
    return html.Div(id=f"compare-{figure}", className="compare-figure", style=room(found)[figure])


def stores(found: StudiesCompared) -> list[dcc.Store]:
    """What was found, for the figures, and what the address says."""
    return [dcc.Store(id="compare-found", data=found.model_dump(mode="json")), dcc.Store(id="compare-address")]
