"""Tables of the report: differences, tuning, failures, every cell."""

from collections.abc import Iterable, Sequence
from typing import cast

from app.colours import Verdict
from app.language import filled, mark, tr
from app.matrix import QUALITY, Matrix, gap
from app.schemas import Cell, ConfigurationView, Difference, Number, NumberQuantity, SourceKind, TuningPoint
from app.services.exports.markdown import STATUS_WORDS
from app.services.exports.report.content import Content
from app.services.exports.report.markup import Child, Markup, element
from app.services.exports.report.numbers import shown
from app.services.exports.report.svg import marker
from app.services.exports.table import interval_meaning, source_of
from peft_core.spec import Purpose

VERDICT_WORDS: dict[Verdict, str] = {"better": mark("better"), "tie": mark("tie"), "worse": mark("worse")}
PURPOSE_WORDS: dict[Purpose, str] = {"tune": mark("tune"), "probe": mark("probe"), "report": mark("report")}
SOURCE_WORDS: dict[SourceKind, str] = {
    "measured": mark("measured"),
    "imported": mark("imported"),
    "estimated": mark("estimated"),
}


def scrolling(name: str, *children: Child, class_: str | None = None) -> Markup:
    """A table that scrolls in a box of its own where it is wider than the page."""
    return element(
        "div", element("table", *children, class_=class_), class_="scroll", tabindex="0", role="region", aria_label=name
    )


def table(name: str, head: Sequence[str], rows: Iterable[Sequence[Child]], class_: str | None = None) -> Markup:
    """A table whose first column heads its rows."""
    columns = element("tr", [element("th", words, scope="col") for words in head])
    body = [
        element("tr", element("th", row[0], scope="row"), [element("td", part) for part in row[1:]]) for row in rows
    ]
    return scrolling(name, element("thead", columns), element("tbody", body), class_=class_)


def method_name(row: ConfigurationView) -> Markup:
    """A configuration's name behind its family's marker."""
    mark = element("svg", marker(row.family, 7, 7), width="14", height="14", aria_hidden="true", class_="mark")
    return element("span", mark, row.label, class_="name")


# -- differences ------------------------------------------------------------------------------------------------------


def differences(matrix: Matrix) -> Markup:
    """The numbers of the forest."""
    head = (
        *(tr("Method"), tr("Difference"), tr("95 % interval"), tr("Corrected interval"), tr("p (Holm)")),
        *(tr("Verdict"), tr("Runs")),
    )
    pairs = [(row, matrix.differences[row.id]) for row in matrix.ordered(QUALITY) if row.id in matrix.differences]
    return table(tr("Differences"), head, [_difference(row, found) for row, found in pairs])


def _difference(row: ConfigurationView, found: Difference) -> list[Child]:
    names = (("interval", ("lo", "hi")), ("corrected", ("corrected_lo", "corrected_hi")))
    spans = [
        [shown(gap(found, end, name)) for end, name in zip(getattr(found, kind), ends, strict=True)]
        for kind, ends in names
    ]
    return [
        method_name(row),
        shown(gap(found, found.value, "difference")),
        *(filled("{lo} to {hi}", lo=first, hi=last) for first, last in spans),
        shown(gap(found, found.p_value, "p_value")),
        element("span", tr(VERDICT_WORDS[found.verdict]), class_=f"t-{found.verdict}"),
        tr("{runs} against {others}", runs=runs(found.run_ids), others=runs(found.reference_run_ids)),
    ]


def runs(ids: Sequence[int]) -> str:
    return ", ".join(str(run) for run in ids)


# -- tuning -----------------------------------------------------------------------------------------------------------


def tuning(matrix: Matrix) -> Markup | None:
    """What each method was tried at; None where nothing was tuned."""
    tuned = [row for row in matrix.comparison.configurations if row.tuning]
    if not tuned:
        return None
    quantity = matrix.cards[QUALITY].quantity if QUALITY in matrix.cards else "series"
    head = (tr("Method"), tr("Tried"), tr("Learning rate → validation score"), tr("Chosen"), tr("Note"))
    return table(tr("Tuning"), head, [_tuned(row, quantity) for row in tuned], class_="wrap")


def _tuned(row: ConfigurationView, quantity: NumberQuantity) -> list[Child]:
    tried = [element("span", _tried(point, quantity), class_="tried") for point in row.tuning]
    whole = (point for point in row.tuning if point.rung_steps is None)
    chosen = next((point for point in whole if point.learning_rate == row.learning_rate), None)
    notes = [tr("grid too narrow")] if row.grid_edge else []
    notes += [tr("edge left out")] if row.edges_left_out else []
    notes += [tr("did not learn: grid or budget")] if row.learned is False else []
    rate = shown(_of_run(chosen, chosen.learning_rate, "learning_rate")) if chosen else tr("not chosen")
    return [
        method_name(row),
        str(len({point.learning_rate for point in row.tuning})),
        tried,
        rate,
        tr("; ").join(notes),
    ]


def _tried(point: TuningPoint, quantity: NumberQuantity) -> list[Child]:
    rate = shown(_of_run(point, point.learning_rate, "learning_rate"))
    if point.validation_score is None:
        return [rate, f" {tr(STATUS_WORDS[point.status])}"]
    score = shown(_of_run(point, point.validation_score, quantity))
    if point.rung_steps is None:
        return [rate, " → ", score]
    stopped = filled(
        "stopped after {steps} of {all} steps",
        steps=_steps(point, point.rung_steps, "rung_steps"),
        all=_steps(point, point.full_steps, "whole_steps"),
    )
    return [rate, " → ", score, " (", *stopped, ")"]


def _steps(point: TuningPoint, steps: int | None, formula: str) -> Markup:
    named = f"{formula}(run {point.run_id})"
    return shown(Number(value=steps or 0, quantity="count", statistic="formula", formula=named))


def _of_run(point: TuningPoint, value: float, quantity: NumberQuantity) -> Number:
    metric = "learning_rate" if quantity == "learning_rate" else "validation_score"
    return Number(value=value, quantity=quantity, statistic="value", metric=metric, run_ids=[point.run_id])


# -- failures ---------------------------------------------------------------------------------------------------------


def failures(content: Content) -> Markup | None:
    """Every failed run in its own words; None where no run failed."""
    labels = {row.id: row.label for row in content.conditions.configurations}
    again = {run.retry_of: run.id for run in content.conditions.runs}
    rows = [
        [
            str(run.id),
            labels[run.configuration_id],
            tr(PURPOSE_WORDS[cast(Purpose, run.purpose)]),
            str(run.seed),
            run.reason or tr("no reason was written down"),
            tr("run {run}", run=again[run.id]) if run.id in again else tr("no"),
        ]
        for run in content.failed
    ]
    head = (tr("Run"), tr("Method"), tr("Purpose"), tr("Seed"), tr("Reason"), tr("Tried again"))
    return table(tr("Failures"), head, rows, class_="wrap failures") if rows else None


# -- every cell -------------------------------------------------------------------------------------------------------


def every_cell(matrix: Matrix) -> Markup:
    """All cells with their runs in words: what hovering tells, for print and for small screens."""
    head = (
        *(tr("Method"), tr("Metric"), tr("Value"), tr("Interval"), tr("n"), tr("Score")),
        *(tr("Source"), tr("Runs")),
    )
    rows = [_whole(matrix, cell) for row in matrix.ordered(QUALITY) for cell in _cells(matrix, row)]
    return table(tr("Every cell"), head, rows, class_="small cells")


def _cells(matrix: Matrix, row: ConfigurationView) -> list[Cell]:
    found = [matrix.cell(row.id, card.key) for card in matrix.comparison.metrics]
    return [cell for cell in found if cell is not None]


def _whole(matrix: Matrix, cell: Cell) -> list[Child]:
    interval, score, bound = matrix.interval(cell), matrix.normalised(cell), matrix.at_least(cell)
    value: Child = ["> ", shown(bound)] if bound else "–"
    return [
        matrix.configurations[cell.configuration].label,
        matrix.title(matrix.cards[cell.metric]),
        shown(matrix.mean(cell)) if cell.mean is not None else value,
        [shown(interval[0]), " – ", shown(interval[1]), tr(", "), interval_meaning(cell)] if interval else "",
        str(cell.n),
        shown(score) if score else "",
        tr(SOURCE_WORDS[cell.source]) if cell.mean is not None and cell.source is not None else source_of(cell),
        runs(cell.run_ids),
    ]
