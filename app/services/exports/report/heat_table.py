"""Methods by metrics as a table of text whose cells have the heatmap's colours."""

from app.language import filled, spaced, tr
from app.matrix import QUALITY, Matrix
from app.schemas import Cell, ConfigurationView, MetricCard
from app.services.exports.report.markup import Child, Markup, element
from app.services.exports.report.numbers import described, shown
from app.services.exports.report.tables import method_name, scrolling

STEPS = 9
"""Colours of the scale from low to high."""


def heat_table(matrix: Matrix) -> Markup:
    """One row a method, one column a metric of the heatmap; raw values, below them what spreads or is missing."""
    columns = [card for card in matrix.columns if matrix.known(card.key)] or matrix.columns
    head = element("tr", element("th", tr("Method"), scope="col"), [_head(matrix, card) for card in columns])
    body = [
        element("tr", element("th", method_name(row), scope="row"), [_cell(matrix, row, card) for card in columns])
        for row in matrix.ordered(QUALITY)
    ]
    return scrolling(tr("Methods by metrics"), element("thead", head), element("tbody", body), class_="heat")


def _head(matrix: Matrix, card: MetricCard) -> Markup:
    unit = element("span", matrix.unit(card), class_="unit")
    return element("th", matrix.title(card), unit, scope="col", title=spaced([card.meaning, card.how]))


def _cell(matrix: Matrix, row: ConfigurationView, card: MetricCard) -> Markup:
    cell = matrix.cell(row.id, card.key)
    if cell is None:
        return element("td", "–", class_="missing")
    colour = "" if cell.normalised is None else f"h{min(STEPS - 1, int(cell.normalised * STEPS))}"
    missing = "missing" if cell.mean is None else ""
    parts = [_value(matrix, cell), *_below(matrix, cell)]
    return element("td", parts, class_=f"{colour} {missing}".strip(), title=described(row, card, cell))


def _value(matrix: Matrix, cell: Cell) -> Child:
    bound = matrix.at_least(cell)
    if cell.mean is not None:
        return shown(matrix.mean(cell))
    return ["> ", shown(bound)] if bound is not None else "–"


def _below(matrix: Matrix, cell: Cell) -> list[Markup]:
    """The interval where there is one, how few runs an unrepeated value stands on, and failures."""
    parts: list[Markup] = []
    interval = matrix.interval(cell)
    if interval is not None:
        parts.append(element("span", shown(interval[0]), " – ", shown(interval[1]), class_="below"))
    elif cell.n == 1 and not matrix.cards[cell.metric].exact:
        parts.append(element("span", tr("one run"), class_="below"))
    if cell.failures:
        parts.append(
            element("span", "✕ ", filled("{count} failed", count=shown(matrix.failures(cell))), class_="below bad")
        )
    return parts
