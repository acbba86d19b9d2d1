"""The views of a study beside the heatmap: tuning budget, every seed, every failure. Rows in, short tables out."""

from typing import Any

from dash import html

from app.schemas import ConfigurationView, MetricCard, Number, NumberQuantity, RunView
from app.ui.cells import QUALITY, Matrix
from app.ui.numbers import show
from app.ui.study.parts import method_name, quiet, run_link, tag


def tuning(matrix: Matrix) -> html.Div:
    """The tuning budget: learning rates tried, what each scored on validation, which was chosen."""
    tuned = [row for row in matrix.comparison.configurations if row.tuning]
    untuned = [row.label for row in matrix.comparison.configurations if not row.tuning]
    if not tuned:
        return quiet("No method was tuned: every row ran at the learning rate that the study gave it.")
    widest = max(len(row.tuning) for row in tuned)
    head = html.Tr([html.Th("Method"), html.Th("Learning rate → validation score", colSpan=widest), html.Th("Chosen")])
    # A study that asked for costs alone has no card of its quality.
    score = matrix.cards[QUALITY].quantity if QUALITY in matrix.cards else "series"
    body = [
        html.Tr([html.Th(method_name(row), scope="row"), *_tried(row, widest, score), _chosen(row)]) for row in tuned
    ]
    note = "Chosen on the validation split at one seed; the test split chose nothing."
    rest = [html.P(["Not tuned: ", *_names(untuned), "."], className="study-note")] if untuned else []
    return html.Div([html.P(note, className="study-note"), table(head, body), *rest])


def _names(labels: list[str]) -> list[Any]:
    named: list[Any] = []
    for place, name in enumerate(labels):
        named += [", " if place else "", html.Span(name, **{"data-label": name})]
    return named


def _tried(row: ConfigurationView, widest: int, score: NumberQuantity) -> list[html.Td]:
    places = range(len(row.tuning))
    cells = [html.Td(_attempt(row, place, score), className=_chosen_class(row, place)) for place in places]
    return cells + [html.Td() for _ in range(widest - len(row.tuning))]


def _attempt(row: ConfigurationView, place: int, quantity: NumberQuantity) -> list[Any]:
    """One learning rate and its score in the task's own quantity, or the status of its run where there is none."""
    point = row.tuning[place]
    rate = show(_of_run(point.learning_rate, "learning_rate", point.run_id, "learning_rate"))
    if point.validation_score is None:
        return [rate, " ", run_link(point.run_id, point.status)]
    score = show(_of_run(point.validation_score, quantity, point.run_id, "validation_score"))
    return [rate, " → ", html.A(score, href=f"/runs/{point.run_id}")]


def _chosen_class(row: ConfigurationView, place: int) -> str:
    return "study-chosen" if row.tuning[place].learning_rate == row.learning_rate else ""


def _chosen(row: ConfigurationView) -> html.Td:
    chosen = next((point for point in row.tuning if point.learning_rate == row.learning_rate), None)
    marks: list[Any] = []
    if row.grid_edge:
        marks.append(tag("grid too narrow", "warn", "The best learning rate lies at the edge of its grid."))
    if row.learned is False:
        marks.append(tag("did not learn: grid or budget", "bad", "No learning rate beat the untuned model."))
    if chosen is None:
        return html.Td(["not yet" if row.learning_rate is None else "", *marks])
    rate = show(_of_run(chosen.learning_rate, "learning_rate", chosen.run_id, "learning_rate"))
    return html.Td([rate, *marks])


def _of_run(value: float, quantity: Any, run: int, metric: str) -> Number:
    return Number(value=value, quantity=quantity, statistic="value", metric=metric, run_ids=[run])


def seeds(matrix: Matrix, runs: list[RunView]) -> html.Div:
    """Quality of every reporting run, each linked to its run."""
    report = [run for run in runs if run.purpose == "report"]
    numbers = sorted({run.seed for run in report})
    if not numbers:
        return quiet("No reporting run yet: the first starts when a method's learning rate has been chosen.")
    card = matrix.cards[QUALITY]
    head = html.Tr([html.Th("Method"), *[html.Th(["seed ", _id(seed)]) for seed in numbers]])
    body = []
    for row in matrix.ordered(QUALITY):
        # A retried run replaces the one before it: the last of a seed counts.
        of_seed = {run.seed: run for run in report if run.configuration == row.id}
        cells = [html.Td(_seed(matrix, card, of_seed.get(seed))) for seed in numbers]
        body.append(html.Tr([html.Th(method_name(row), scope="row"), *cells]))
    return html.Div(
        [
            html.P(f"{matrix.title(card)} on the test split, one run per seed.", className="study-note"),
            table(head, body),
        ]
    )


def _seed(matrix: Matrix, card: MetricCard, run: RunView | None) -> Any:
    if run is None:
        return "–"
    cell = matrix.cell(run.configuration, card.key)
    values = {number.run_ids[0]: number for number in matrix.values(cell)} if cell else {}
    if run.id in values:
        return html.A(show(values[run.id]), href=f"/runs/{run.id}")
    return run_link(run.id, run.status)


def failures(runs: list[RunView]) -> html.Div:
    """Every failed run with its reason; nothing is dropped."""
    failed = [run for run in runs if run.status == "failed"]
    if not failed:
        return quiet("No run failed.")
    head = html.Tr([html.Th("Run"), html.Th("Method"), html.Th("Purpose"), html.Th("Seed"), html.Th("Reason")])
    body = [
        html.Tr(
            [
                html.Td(html.A(_id(run.id), href=f"/runs/{run.id}")),
                html.Th(html.Span(run.label, **{"data-label": run.label}), scope="row"),
                html.Td(run.purpose),
                html.Td(_id(run.seed)),
                html.Td(run.reason, className="study-reason", **{"data-quote": f"runs:{run.id}"}),
            ]
        )
        for run in failed
    ]
    return html.Div(table(head, body))


def _id(value: int) -> html.Span:
    return html.Span(str(value), **{"data-id": str(value)})


def table(head: html.Tr, body: list[html.Tr], className: str = "") -> html.Div:  # noqa: N803 (Dash's own name)
    """A short table that scrolls in its own box on a narrow screen, never the page."""
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)], className=f"study-table {className}".rstrip()),
        className="study-scroll",
        tabIndex=0,
        role="region",
        **{"aria-label": "Table, scrolls sideways"},
    )
