"""What a run measured, beside what the cost model says of it."""

from typing import Any

from dash import html

from app.language import filledn, tr
from app.schemas import EstimateView, MeasurementView, MetricCard, Number, NumberQuantity, RunDetail
from app.ui.cells import QUALITY
from app.ui.elements import panel
from app.ui.numbers import by_formula, show

PREDICTED = {
    "trainable_parameters": "trainable_parameters",
    "storage_bytes": "storage_bytes",
    "peak_memory": "peak_memory_bytes",
    "load_peak_memory": "load_peak_memory_bytes",
}
"""Metric -> the figure of the cost model that is about the same thing."""

EXACT = frozenset({"trainable_parameters", "storage_bytes"})


def measured_panel(
    run: RunDetail, metrics: dict[str, MetricCard], estimate: EstimateView | None = None
) -> html.Section:
    """Every measurement with its source; the task's scores in its own quantity."""
    rows = [_measurement_row(run, found, metrics, estimate) for found in run.measurements]
    rows += _validation_row(run) + _seconds_row(run, estimate)
    if not rows:
        return panel(tr("Measured"), html.P(tr("Nothing yet."), className="quiet"))
    figures = (tr("Measured"), *([tr("Predicted")] if estimate else []))
    columns = [html.Th(title, scope="col", className="number") for title in figures]
    head = html.Thead(html.Tr([html.Th(tr("Figure"), scope="col"), *columns]))
    table = html.Table([head, html.Tbody(rows)], className="plain run-measured", **{"data-region": "evidence"})
    return panel(tr("Measured"), [html.Div(table, className="table-scroll", tabIndex="0"), *_how(estimate)])


def _how(estimate: EstimateView | None) -> list[Any]:
    if estimate is None:
        return []
    said = tr("Predicted from the base model's shape, every text counted as long as the budget lets it be.")
    return [html.P(said, className="quiet run-how")]


def _validation_row(run: RunDetail) -> list[html.Tr]:
    if run.validation_score is None:
        return []
    score = _measured(run, "validation_score", run.validation_score, run.score_quantity)
    return [html.Tr([html.Td(tr("Validation score")), html.Td(show(score), className="number")])]


def _seconds_row(run: RunDetail, estimate: EstimateView | None) -> list[html.Tr]:
    if run.train_seconds is None:
        return _shared_row(run)
    number = _measured(run, "train_seconds", run.train_seconds, "seconds")
    predicted = _predicted(run, "train_seconds", estimate.train_seconds, "seconds") if estimate else None
    return [html.Tr([html.Td(tr("Training time")), html.Td(show(number), className="number"), predicted])]


def _shared_row(run: RunDetail) -> list[html.Tr]:
    """Why a run that trained together with others has no time of its own."""
    together = (run.environment or {}).get("trained_together")
    if not isinstance(together, int) or together < 2:
        return []
    others = show(by_formula(together - 1, "count", f"others_trained_together(run {run.id})", exact=True))
    why = filledn(
        "trained together with {others} other run of this study: gives quality only; cost comes from the probe",
        "trained together with {others} other runs of this study: gives quality only; cost comes from the probe",
        together - 1,
        others=others,
    )
    return [html.Tr([html.Td(tr("Training time")), html.Td(["– ", html.Span(why, className="quiet")], colSpan=2)])]


def _measurement_row(
    run: RunDetail, found: MeasurementView, metrics: dict[str, MetricCard], estimate: EstimateView | None
) -> html.Tr:
    card = metrics.get(found.metric)
    title = html.Td(
        card.title if card else found.metric, title=card.how if card else None, **{"data-label": found.metric}
    )
    if found.value is None or card is None:
        why = html.Span(str(found.detail.get("missing", "")), className="quiet", **{"data-id": found.metric})
        return html.Tr([title, html.Td(["– ", why], colSpan=2)])
    quantity = run.score_quantity if found.metric == QUALITY else card.quantity
    number = _measured(run, found.metric, found.value, quantity)
    figure = PREDICTED.get(found.metric)
    told = getattr(estimate, figure) if figure and estimate else None
    predicted = _predicted(run, found.metric, told, card.quantity) if told is not None else None
    return html.Tr([title, html.Td(show(number), className="number"), predicted])


def _measured(run: RunDetail, metric: str, value: float, quantity: NumberQuantity) -> Number:
    return Number(value=value, quantity=quantity, statistic="value", metric=metric, source=run.source, run_ids=[run.id])


def _predicted(run: RunDetail, metric: str, value: float | None, quantity: str) -> html.Td | None:
    if value is None:
        return None
    number = by_formula(value, quantity, f"predicted_{metric}(run {run.id})", exact=metric in EXACT)
    return html.Td(show(number.model_copy(update={"metric": metric})), className="number")
