"""The run page's table of what was measured."""

from dash import html

from app.schemas import MeasurementView, MetricCard, Number, RunDetail
from app.ui.cells import QUALITY
from app.ui.elements import panel
from app.ui.numbers import show


def measured_panel(run: RunDetail, metrics: dict[str, MetricCard]) -> html.Section:
    """Every measurement with its source; the task's scores in its own quantity."""
    rows = [_measurement_row(run, found, metrics) for found in run.measurements]
    if run.validation_score is not None:
        score = Number(
            value=run.validation_score,
            quantity=run.score_quantity,
            statistic="value",
            metric="validation_score",
            source=run.source,
            run_ids=[run.id],
        )
        rows.append(html.Tr([html.Td("Validation score"), html.Td(show(score), className="number"), html.Td("")]))
    if not rows:
        return panel("Measured", html.P("Nothing yet.", className="quiet"))
    table = html.Table(html.Tbody(rows), className="plain", **{"data-region": "evidence"})
    return panel("Measured", html.Div(table, className="table-scroll"))


def _measurement_row(run: RunDetail, found: MeasurementView, metrics: dict[str, MetricCard]) -> html.Tr:
    card = metrics.get(found.metric)
    title = html.Td(
        card.title if card else found.metric, title=card.how if card else None, **{"data-label": found.metric}
    )
    if found.value is None or card is None:
        return html.Tr(
            [title, html.Td("–", className="number"), html.Td(str(found.detail.get("missing", "")), className="quiet")]
        )
    quantity, unit = (run.score_quantity, "") if found.metric == QUALITY else (card.quantity, card.unit)
    number = Number(
        value=found.value,
        quantity=quantity,
        statistic="value",
        metric=found.metric,
        source=run.source,
        run_ids=[run.id],
    )
    return html.Tr([title, html.Td(show(number), className="number"), html.Td(unit, className="quiet")])
