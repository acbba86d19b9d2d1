"""A number in the report says where it comes from: on hover, and to whoever reads its attributes."""

from app.formats import format_number
from app.language import spaced, tr, trn
from app.matrix import Matrix
from app.schemas import Cell, ConfigurationView, MetricCard, Number, Sentence
from app.services.exports.report.markup import Markup, element
from app.services.exports.table import interval_meaning, number_text

MOST_RUNS_NAMED = 30


def shown(number: Number, class_: str | None = None) -> Markup:
    """The text of a number with its source."""
    source = origin(number)
    return element(
        "span",
        format_number(number),
        class_=class_,
        title=source,
        data_value=number_text(number.value),
        data_source=source,
    )


def origin(number: Number) -> str:
    """What a number is, and the runs or the formula that it comes from."""
    if number.formula is not None:
        return tr("formula: {formula}", formula=number.formula)
    what = number.statistic.replace("_", " ")
    runs = _runs(number.run_ids)
    if number.reference_run_ids:
        runs = tr("{runs} against {others}", runs=runs, others=_runs(number.reference_run_ids))
    if number.metric:
        what = tr("{statistic} of {metric}", statistic=what, metric=number.metric.replace("_", " "))
    return tr("{what}, {source}: {runs}", what=what, source=tr(number.source), runs=runs)


def _runs(ids: list[int]) -> str:
    named = ", ".join(str(run) for run in ids[:MOST_RUNS_NAMED])
    if len(ids) > MOST_RUNS_NAMED:
        return tr("runs {runs} and {more} more", runs=named, more=len(ids) - MOST_RUNS_NAMED)
    return trn("run {runs}", "runs {runs}", len(ids), runs=named) if ids else tr("no run")


def sentence(parts: Sentence) -> list[Markup | str]:
    """A sentence whose numbers carry their sources."""
    return [_piece(part.text, part.label, part.number) for part in parts]


def _piece(text: str | None, label: str | None, number: Number | None) -> Markup | str:
    if number is not None:
        return shown(number, class_="number")
    return element("b", label) if label is not None else text or ""


def described(row: ConfigurationView, card: MetricCard, cell: Cell) -> str:
    """A cell in one line: what it is, what its interval covers, every value and the runs."""
    if cell.mean is None:
        why = cell.missing or tr("not measured yet")
        return tr("{method}, {metric}: missing, {why}", method=row.label, metric=card.title, why=why)
    counted = tr(", ").join([str(cell.n), *([covers] if (covers := interval_meaning(cell)) else [])])
    told = tr(
        "{method}, {metric}: n = {n}; values {values}; {source}: {runs}",
        method=row.label,
        metric=card.title,
        n=counted,
        values=", ".join(number_text(value) for value in cell.values),
        source=tr(str(cell.source)),
        runs=_runs(cell.run_ids),
    )
    return spaced([told, *cell.flags, *cell.notes])


def intervals(matrix: Matrix) -> str:
    """What the intervals of a comparison are, in words."""
    meanings = {interval_meaning(cell) for cell in matrix.comparison.cells}
    told = tr(" or ").join(sorted(meaning for meaning in meanings if meaning is not None))
    return tr("the interval, {meaning}", meaning=told) if told else tr("no interval")
