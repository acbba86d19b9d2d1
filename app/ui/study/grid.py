"""The same numbers as the heatmap and the forest, as a table of real text: sortable, by keyboard, as CSV.

A cell is sent as pieces {text, attributes}: `SourcedCell` (static/dashAgGridStudy.js) writes them as elements, so a
number in the grid says its source like any other. The raw value under the column's own field makes it sort.
"""

from typing import Any

import dash_ag_grid as dag

from app.language import tr
from app.schemas import Cell, ConfigurationView, Number
from app.ui.cells import QUALITY, Matrix, gap
from app.ui.charts.points import said_verdict
from app.ui.numbers import attributes, format_number

GRID_THEME = (
    "themeQuartz.withParams({fontFamily:'inherit',fontSize:13,backgroundColor:'var(--surface)',"
    "foregroundColor:'var(--ink)',headerBackgroundColor:'var(--page)',borderColor:'var(--line)',"
    "accentColor:'var(--accent)',browserColorScheme:'inherit',spacing:5})"
)

Piece = dict[str, Any]


IN_UNITS: dict[str, tuple[float, str]] = {"fraction": (100, "%"), "bytes": (1e-6, "MB"), "seconds": (1e3, "ms")}
"""Quantity -> what a filter reads: the factor from the raw value, and the unit that is typed."""
PAGED_FROM = 25


def comparison_grid(matrix: Matrix, listed: list[ConfigurationView]) -> dag.AgGrid:
    """Rows in the order of the heatmap."""
    return dag.AgGrid(
        id="study-grid",
        columnDefs=columns(matrix),
        rowData=rows(matrix, listed),
        defaultColDef={
            "minWidth": 104,
            "sortable": True,
            "resizable": True,
            "cellRenderer": "SourcedCell",
            "floatingFilter": True,
            "comparator": {"function": "missingLast(valueA, valueB, isDescending)"},
        },
        columnSize="responsiveSizeToFit",
        dashGridOptions={
            "theme": {"function": GRID_THEME},
            "domLayout": "autoHeight",
            "suppressColumnVirtualisation": True,
            "ensureDomOrder": True,
            "enableCellTextSelection": True,
            "pagination": len(listed) > PAGED_FROM,
            "paginationPageSize": PAGED_FROM,
            "paginationPageSizeSelector": False,
        },
        style={"height": None},
        className="study-grid",
    )


def columns(matrix: Matrix) -> list[dict[str, Any]]:
    """Method, quality with its interval and its difference, then every other metric of which something is known."""
    card = matrix.cards[QUALITY]
    first: list[dict[str, Any]] = [
        _words("method", tr("Method"), 150) | {"pinned": "left", "lockPinned": True},
        _figure(QUALITY, matrix.title(card), card.quantity) | {"headerTooltip": card.meaning},
        {"field": "interval", "headerName": tr("Interval"), "minWidth": 124, "floatingFilter": False},
        _figure("n", "n", "count") | {"minWidth": 72},
        _figure("failures", tr("Failed"), "count") | {"minWidth": 84},
        _figure("difference", tr("vs reference"), "fraction" if card.quantity == "fraction" else "count")
        | {"minWidth": 112},
        _figure("p_value", "p (Holm)", "count") | {"minWidth": 92},
        _words("verdict", tr("Verdict"), 104),
    ]
    others = [card for card in matrix.comparison.metrics if card.key != QUALITY and matrix.known(card.key)]
    return first + [
        _figure(card.key, matrix.title(card), card.quantity)
        | {"headerTooltip": f"{card.meaning} {card.how}", "type": "rightAligned"}
        for card in others
    ]


def _words(field: str, title: str, width: int) -> dict[str, Any]:
    """A column of words, found by a part of them."""
    parameters = {"filterPlaceholder": tr("contains"), "maxNumConditions": 1}
    return {
        "field": field,
        "headerName": title,
        "minWidth": width,
        "filter": "agTextColumnFilter",
        "filterParams": parameters,
        "suppressHeaderFilterButton": True,
    }


def _figure(field: str, title: str, quantity: str) -> dict[str, Any]:
    """A column of numbers, filtered in the unit that they are read in."""
    factor, unit = IN_UNITS.get(quantity, (1.0, ""))
    return {
        "field": field,
        "headerName": title,
        "filter": "agNumberColumnFilter",
        "filterValueGetter": {"function": f"inUnit(params.data['{field}'], {factor!r})"},
        "filterParams": {
            "filterPlaceholder": unit or tr("number"),
            "maxNumConditions": 1,
            "defaultOption": "greaterThanOrEqual",
        },
    }


def rows(matrix: Matrix, listed: list[ConfigurationView]) -> list[dict[str, Any]]:
    return [_row(matrix, row) for row in listed]


def _row(matrix: Matrix, row: ConfigurationView) -> dict[str, Any]:
    """Raw values under each field, the pieces to show under "<field>_pieces"."""
    shown: dict[str, tuple[Any, list[Piece]]] = {"method": (row.label, [_name(row.label)])}
    for card in matrix.comparison.metrics:
        cell = matrix.cell(row.id, card.key)
        shown[card.key] = (cell.mean if cell else None, _value(matrix, cell))
    shown |= _quality(matrix, matrix.cell(row.id, QUALITY)) | _difference(matrix, row)
    raw = {field: value for field, (value, _) in shown.items()}
    return raw | {f"{field}_pieces": pieces for field, (_, pieces) in shown.items()}


def _quality(matrix: Matrix, cell: Cell | None) -> dict[str, tuple[Any, list[Piece]]]:
    if cell is None:
        return {field: (None, [_text("–")]) for field in ("interval", "n", "failures")}
    interval = matrix.interval(cell)
    pieces = [_number(interval[0]), _text(" – "), _number(interval[1])] if interval else [_text("–")]
    return {
        "interval": (cell.interval[0] if cell.interval else None, pieces),
        "n": (cell.n, [_number(matrix.count(cell))]),
        "failures": (cell.failures, [_number(matrix.failures(cell))] if cell.failures else [_text(tr("none"))]),
    }


def _difference(matrix: Matrix, row: ConfigurationView) -> dict[str, tuple[Any, list[Piece]]]:
    difference = matrix.differences.get(row.id)
    if difference is None:
        word = tr("reference") if row.id == matrix.comparison.reference else "–"
        return {"difference": (None, [_text(word)]), "p_value": (None, [_text("")]), "verdict": ("", [_text("")])}
    value = gap(difference, difference.value, "difference")
    p_value = gap(difference, difference.p_value, "p_value")
    word = said_verdict(difference.verdict)
    verdict = {"text": word, "attributes": {"className": f"verdict verdict-{difference.verdict}"}}
    return {
        "difference": (difference.value, [_number(value)]),
        "p_value": (difference.p_value, [_number(p_value)]),
        "verdict": (word, [verdict]),
    }


def _value(matrix: Matrix, cell: Cell | None) -> list[Piece]:
    if (bound := matrix.at_least(cell)) is not None:
        return [_text("> "), _number(bound)]
    if cell is None or cell.mean is None:
        reason = cell.missing if cell and cell.missing else tr("not measured yet")
        return [{"text": "–", "attributes": {"title": reason, "data-label": "missing"}}]
    return [*([_text("≈ ")] if cell.source == "estimated" else []), _number(matrix.mean(cell))]


def _name(name: str) -> Piece:
    return {"text": name, "attributes": {"data-label": name}}


def _text(text: str) -> Piece:
    return {"text": text, "attributes": {}}


def _number(number: Number) -> Piece:
    return {"text": format_number(number), "attributes": attributes(number)}
