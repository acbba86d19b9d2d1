"""Markdown: what a study shows, its differences and its cells as tables."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from sqlalchemy import Engine

from app.formats import sentence_text
from app.language import mark, tr
from app.schemas import Comparison, Difference, StudyStatus, StudyView
from app.services.callers import Caller
from app.services.exports.table import COLUMNS, Value, cell_rows, number_text
from app.services.results import comparison, study_view

STATUS_WORDS: dict[StudyStatus, str] = {
    "queued": mark("queued"),
    "running": mark("running"),
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
}
SPECIAL = re.compile(r"([\\`*\[\]|])")
DIFFERENCES = (
    *("configuration", "difference", "lo", "hi", "corrected_lo", "corrected_hi", "p_holm", "verdict", "covers"),
    *("run_ids", "reference_run_ids"),
)


def as_markdown(engine: Engine, caller: Caller, study_id: int) -> str:
    """The study's verdict, flags, differences and cells, in SI units."""
    view, found = study_view(engine, caller, study_id), comparison(engine, caller, study_id)
    parts = [
        f"# {escaped(view.name)}",
        escaped(sentence_text(found.verdict)),
        _origin(view, found),
        *_flags(found),
        *_differences(found),
        "## " + tr("Cells"),
        tr("Values are seconds, bytes and fractions; `lo` and `hi` are the ends of the interval."),
        _table(COLUMNS, cell_rows(found)),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(view: StudyView, found: Comparison) -> str:
    """Whose numbers these are."""
    counts, base = view.counts, escaped(view.document.base_model)
    return tr(
        "Study {study}, {status}: {succeeded} runs succeeded, {failed} failed. Base model {base_model}, precision"
        " {precision}. Scores are on anchors version {anchors}. Written by PEFT Atlas {version}.",
        study=view.id,
        status=tr(STATUS_WORDS[view.status]),
        succeeded=counts.succeeded,
        failed=counts.failed,
        base_model=base,
        precision=view.precision or tr("not chosen yet"),
        anchors=found.anchors_version,
        version=version("peft-atlas"),
    )


def _flags(found: Comparison) -> list[str]:
    listed = "\n".join(f"- {escaped(flag)}" for flag in found.flags)
    return ["## " + tr("To know before comparing"), listed] if found.flags else []


def _differences(found: Comparison) -> list[str]:
    if not found.differences:
        return []
    labels = {row.id: row.label for row in found.configurations}
    reference = labels[found.reference] if found.reference is not None else tr("the reference")
    quantity = found.differences[0].quantity
    unit = tr("as fractions") if quantity == "points" else tr("in {unit}", unit=quantity)
    words = tr(
        "Quality minus that of {reference}, {unit}. `lo` to `hi` is the 95 % interval of the pair; the corrected one is"
        " at the level that Holm's procedure used. A tie is a difference that was not shown, not equality.",
        reference=escaped(reference),
        unit=unit,
    )
    rows = [_difference(difference, labels[difference.configuration]) for difference in found.differences]
    return ["## " + tr("Differences"), words, _table(DIFFERENCES, rows)]


def _difference(found: Difference, label: str) -> list[Value]:
    runs = [" ".join(str(run) for run in ids) for ids in (found.run_ids, found.reference_run_ids)]
    return [label, found.value, *found.interval, *found.corrected, found.p_value, found.verdict, found.covers, *runs]


def _table(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(escaped(number_text(value)) for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def escaped(text: str) -> str:
    """Text that stays text within a line of Markdown: no table, link, code or element comes of it."""
    one_line = " ".join(text.split())
    without_html = one_line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SPECIAL.sub(r"\\\1", without_html)
