"""A number in the report says where it comes from: on hover, and to whoever reads its attributes."""

from app.formats import format_number
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
    what = number.statistic.replace("_", " ")
    of = f" of {number.metric.replace('_', ' ')}" if number.metric else ""
    if number.formula is not None:
        return f"formula: {number.formula}"
    against = f" against {_runs(number.reference_run_ids)}" if number.reference_run_ids else ""
    return f"{what}{of}, {number.source}: {_runs(number.run_ids)}{against}"


def _runs(ids: list[int]) -> str:
    named = ", ".join(str(run) for run in ids[:MOST_RUNS_NAMED])
    more = f" and {len(ids) - MOST_RUNS_NAMED} more" if len(ids) > MOST_RUNS_NAMED else ""
    return ("run " if len(ids) == 1 else "runs ") + named + more if ids else "no run"


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
        return f"{row.label}, {card.title}: missing, {cell.missing or 'not measured yet'}"
    covers = interval_meaning(cell)
    spread = f", {covers}" if covers else ""
    values = ", ".join(number_text(value) for value in cell.values)
    told = f"{row.label}, {card.title}: n = {cell.n}{spread}; values {values}; {cell.source}: {_runs(cell.run_ids)}"
    return " ".join([told, *cell.flags])


def intervals(matrix: Matrix) -> str:
    """What the intervals of a comparison are, in words."""
    meanings = {interval_meaning(cell) for cell in matrix.comparison.cells}
    told = " or ".join(sorted(meaning for meaning in meanings if meaning is not None))
    return f"the interval, {told}" if told else "no interval"
