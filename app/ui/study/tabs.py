"""The views of a study beside the heatmap: tuning budget, every seed, every failure. Rows in, short tables out."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import MOST_LEARNING_RATES, ConfigurationView, MetricCard, Number, NumberQuantity, RunView, TuningPoint
from app.ui.cells import QUALITY, Matrix
from app.ui.numbers import by_formula, show
from app.ui.study.parts import method_name, name, names, quiet, run_link, tag
from peft_core.method import LearningRate

PURPOSES = {"tune": mark("tune"), "report": mark("report"), "probe": mark("probe")}
"""What a run is for, in a word to be said with `tr`."""
LARGEST_RATE = 10.0
"""What the API takes."""


def tuning(matrix: Matrix) -> html.Div:
    """The tuning budget: learning rates tried, what each scored on validation, which was chosen."""
    tuned = [row for row in matrix.comparison.configurations if row.tuning]
    untuned = [row.label for row in matrix.comparison.configurations if not row.tuning]
    if not tuned:
        return quiet(tr("No method was tuned: every row ran at the learning rate that the study gave it."))
    widest = max(len(_by_rate(row)) for row in tuned)
    tried = html.Th(tr("Learning rate → validation score"), colSpan=widest)
    head = html.Tr([html.Th(tr("Method")), html.Th(tr("Tried")), tried, html.Th(tr("Chosen"))])
    # A study that asked for costs alone has no card of its quality.
    score = matrix.cards[QUALITY].quantity if QUALITY in matrix.cards else "series"
    body = [
        html.Tr([html.Th(method_name(row), scope="row"), _budget(row), *_tried(row, widest, score), _chosen(row)])
        for row in tuned
    ]
    note = tr("Chosen on the validation split at one seed; the test split chose nothing.")
    halved = any(point.rung_steps is not None for row in tuned for point in row.tuning)
    others = filled("Not tuned: {methods}.", methods=html.Span(names(untuned)))
    rest = [html.P(others, className="study-note")] if untuned else []
    rungs = [_said_of_rungs()] if halved else []
    return html.Div([html.P(note, className="study-note"), *rungs, table(head, body), *rest])


def _said_of_rungs() -> html.P:
    return html.P(
        filled(
            "{mark} First rung: every learning rate had a part of the steps, then the better half all of them. Only"
            " scores with all of them are chosen among.",
            mark=_rung_mark(),
        ),
        className="study-note",
    )


def _rung_mark() -> html.Span:
    return html.Span(className="mark-rung", role="img", **{"aria-label": tr("first rung")})


def _by_rate(row: ConfigurationView) -> list[list[TuningPoint]]:
    """The runs of each learning rate, that with the whole budget before that of the first rung."""
    rates = sorted({point.learning_rate for point in row.tuning})
    whole_first = sorted(row.tuning, key=lambda point: point.rung_steps is not None)
    return [[point for point in whole_first if point.learning_rate == rate] for rate in rates]


def points_to_add(row: ConfigurationView) -> tuple[float, ...] | None:
    """The learning rates that would say whether the grid is wide enough: two past the edge that the best one lies at,
    or the edges beside it that the first rung left out. None where there are none."""
    return points_beyond(row) or tuple(row.edges_left_out) or None


def points_beyond(row: ConfigurationView) -> tuple[float, float] | None:
    """Two more learning rates past the edge of its grid that the best one lies at; None where there is nothing to add,
    or where the API would take no more."""
    if not row.grid_edge or row.learning_rate is None or len(row.learning_rates) + 2 > MOST_LEARNING_RATES:
        return None
    points = LearningRate.beyond(row.learning_rates, row.learning_rate)
    return points if points is not None and max(points) <= LARGEST_RATE else None


def _budget(row: ConfigurationView) -> html.Td:
    """How many learning rates it was given: rows with more had a better chance."""
    tried = show(by_formula(len(_by_rate(row)), "count", f"tuning_runs(configuration {row.id})", exact=True))
    left_out = _left_out(row)
    return html.Td([tried, _first_rung(left_out[0])] if left_out else tried)


def _left_out(row: ConfigurationView) -> list[TuningPoint]:
    """The runs of a first rung whose rates did not go on from it; none while that is not decided."""
    whole = {point.learning_rate for point in row.tuning if point.rung_steps is None}
    first = [point for point in row.tuning if point.rung_steps is not None]
    left_out = [point for point in first if point.learning_rate not in whole]
    return left_out if len(left_out) < len(first) else []


def _first_rung(point: TuningPoint) -> html.Div:
    """Where those ended that did not go on."""
    stopped = filled(
        "stopped after {steps} of {all} steps",
        steps=show(by_formula(point.rung_steps or 0, "count", f"rung_steps(run {point.run_id})", exact=True)),
        all=show(by_formula(point.full_steps or 0, "count", f"whole_steps(run {point.run_id})", exact=True)),
    )
    return html.Div([_rung_mark(), " ", *stopped], className="study-rung")


def _add_points(row: ConfigurationView) -> html.Button:
    beyond = points_beyond(row) is not None
    return html.Button(
        tr("Add two points") if beyond else tr("Try the edge"),
        id={"type": "add-points", "configuration": row.id},
        className="button button-plain",
        title=tr("Queues two more learning rates beyond this edge, in the grid's own step.")
        if beyond
        else tr("Trains with the whole budget what the first rung left out at the edge of the grid."),
    )


def added(row: ConfigurationView) -> html.Div:
    """The answer to more points."""
    if points_beyond(row) is None:
        what = filled("The edge of the grid of {method} is queued with the whole budget.", method=name(row.label))
    elif row.learning_rate == max(row.learning_rates):
        what = filled("Two points above the grid of {method} are queued.", method=name(row.label))
    else:
        what = filled("Two points below the grid of {method} are queued.", method=name(row.label))
    then = tr("Its learning rate is chosen again when they have run; if it moves, its seeds run again at the new one.")
    return html.Div([*what, " ", then], className="note")


def nothing_to_add() -> html.Div:
    words = tr("Nothing was added: this grid is being extended, or its best rate lies within it.")
    return html.Div(words, className="note")


def not_added(why: str) -> html.Div:
    """The API's refusal."""
    return html.Div(why, className="note note-bad", role="alert")


def _tried(row: ConfigurationView, widest: int, score: NumberQuantity) -> list[html.Td]:
    rates = _by_rate(row)
    cells = [html.Td(_attempts(points, score), className=_chosen_class(row, points[0])) for points in rates]
    return cells + [html.Td() for _ in range(widest - len(rates))]


def _attempts(points: Sequence[TuningPoint], quantity: NumberQuantity) -> list[Any]:
    """One learning rate with its score, below it what its first rung scored."""
    rate = show(_of_run(points[0].learning_rate, "learning_rate", points[0].run_id, "learning_rate"))
    said: list[Any] = [rate]
    for point in points:
        if point.rung_steps is None:
            score = _score(point, quantity)
            said += [" " if point.validation_score is None else " → ", score]
        else:
            said.append(html.Div([_rung_mark(), " ", _score(point, quantity)], className="study-rung"))
    return said


def _score(point: TuningPoint, quantity: NumberQuantity) -> Any:
    """A score in the task's own quantity, or the status of its run where there is none; linked to the run."""
    if point.validation_score is None:
        return run_link(point.run_id, point.status)
    score = show(_of_run(point.validation_score, quantity, point.run_id, "validation_score"))
    return html.A(score, href=f"/runs/{point.run_id}")


def _chosen_class(row: ConfigurationView, point: TuningPoint) -> str:
    return "study-chosen" if point.learning_rate == row.learning_rate else ""


def _chosen(row: ConfigurationView) -> html.Td:
    whole = (point for point in row.tuning if point.rung_steps is None)
    chosen = next((point for point in whole if point.learning_rate == row.learning_rate), None)
    marks: list[Any] = []
    if row.grid_edge:
        marks.append(tag(tr("grid too narrow"), "warn", tr("The best learning rate lies at the edge of its grid.")))
    if row.edges_left_out:
        why = tr("The edge of the grid beside the best learning rate had no whole budget: it may be too narrow.")
        marks.append(tag(tr("edge left out"), "plain", why))
    if points_to_add(row) is not None:
        marks.append(_add_points(row))
    if row.learned is False:
        why = tr("No learning rate beat the untuned model.")
        marks.append(tag(tr("did not learn: grid or budget"), "bad", why))
    if chosen is None:
        return html.Td(html.Div([tr("not yet") if row.learning_rate is None else "", *marks], className="study-choice"))
    rate = show(_of_run(chosen.learning_rate, "learning_rate", chosen.run_id, "learning_rate"))
    return html.Td(html.Div([rate, *marks], className="study-choice"))


def _of_run(value: float, quantity: Any, run: int, metric: str) -> Number:
    return Number(value=value, quantity=quantity, statistic="value", metric=metric, run_ids=[run])


def seeds(matrix: Matrix, runs: list[RunView]) -> html.Div:
    """Quality of every reporting run, each linked to its run."""
    report = [run for run in runs if run.purpose == "report"]
    numbers = sorted({run.seed for run in report})
    if not numbers:
        return quiet(tr("No reporting run yet: the first starts when a method's learning rate has been chosen."))
    card = matrix.cards[QUALITY]
    head = html.Tr([html.Th(tr("Method")), *[html.Th(filled("seed {seed}", seed=_id(seed))) for seed in numbers]])
    body = []
    for row in matrix.ordered(QUALITY):
        # A retried run replaces the one before it: the last of a seed counts.
        of_seed = {run.seed: run for run in report if run.configuration == row.id}
        cells = [html.Td(_seed(matrix, card, of_seed.get(seed))) for seed in numbers]
        body.append(html.Tr([html.Th(method_name(row), scope="row"), *cells]))
    return html.Div(
        [
            html.P(
                tr("{score} on the test split, one run per seed.", score=matrix.title(card)), className="study-note"
            ),
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
        return quiet(tr("No run failed."))
    heads = (tr("Run"), tr("Method"), tr("Purpose"), tr("Seed"), tr("Reason"))
    head = html.Tr([html.Th(words) for words in heads])
    body = [
        html.Tr(
            [
                html.Td(html.A(_id(run.id), href=f"/runs/{run.id}")),
                html.Th(html.Span(run.label, **{"data-label": run.label}), scope="row"),
                html.Td(tr(PURPOSES[run.purpose])),
                html.Td(_id(run.seed)),
                html.Td(run.reason, className="study-reason", **{"data-quote": f"runs:{run.id}"}),
            ]
        )
        for run in failed
    ]
    return html.Div(table(head, body))


def _id(value: int) -> html.Span:
    return html.Span(str(value), **{"data-id": str(value)})


def table(
    head: html.Tr | list[html.Tr],
    body: list[html.Tr],
    className: str = "",  # noqa: N803 (Dash's own name)
    label: str | None = None,
) -> html.Div:
    """A short table that scrolls in its own box on a narrow screen, never the page. head: its row of titles, or two.
    label: what tells it from other tables of the page."""
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(body)], className=f"study-table {className}".rstrip()),
        className="study-scroll",
        tabIndex=0,
        role="region",
        **{"aria-label": label or tr("Table, scrolls sideways")},
    )
