"""HTML: a report of one file, to read, to send and to print. It needs no script and asks no other place for anything.

Its figures are drawn here as SVG, not by the pages' charts: those belong to the layer above, and making a picture of
one takes a browser, which a server that writes reports need not have.
"""

from datetime import UTC, datetime
from importlib.metadata import version

from sqlalchemy import Engine

from app.matrix import Matrix
from app.services.callers import Caller
from app.services.exports.conditions import read_conditions
from app.services.exports.report import sections, tables
from app.services.exports.report.content import Content
from app.services.exports.report.forest import forest
from app.services.exports.report.heat_table import heat_table
from app.services.exports.report.markup import Child, Markup, element
from app.services.exports.report.numbers import intervals, sentence
from app.services.exports.report.scatter import scatter, without_place
from app.services.exports.report.sections import note, section
from app.services.exports.report.style import style_sheet
from app.services.exports.study_yaml import yaml_text
from app.services.results import comparison, study_view

NO_REQUESTS = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(engine: Engine, caller: Caller, study_id: int) -> str:
    """The study's report."""
    view, conditions = study_view(engine, caller, study_id), read_conditions(engine, caller, study_id)
    content = Content(
        view=view,
        matrix=Matrix(comparison(engine, caller, study_id), view.metric),
        conditions=conditions,
        yaml=yaml_text(view, conditions),
        product_version=version("peft-atlas"),
        written_at=datetime.now(UTC),
    )
    return page(content)


def page(content: Content) -> str:
    """The whole file."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=NO_REQUESTS),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{content.view.name} · PEFT Atlas"),
        element("style", Markup(style_sheet())),
    )
    body = element("body", element("main", _head(content), *_evidence(content), *_background(content), _foot(content)))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _head(content: Content) -> Markup:
    status = "finished" if content.view.status == "succeeded" else content.view.status
    return element(
        "header",
        element("p", f"Comparison of fine-tuning methods · study {content.view.id}, {status}", class_="kicker"),
        element("h1", content.view.name),
        sections.reviewed(content.view),
        element("p", sentence(content.matrix.comparison.verdict), class_="verdict"),
        sections.imported(content),
        sections.compared(content),
    )


def _evidence(content: Content) -> list[Child]:
    matrix = content.matrix
    key = element("span", class_="key", role="img", aria_label="from low to high")
    heat = section(
        "Methods by metrics",
        note(f"Raw values; below them {intervals(matrix)}. Colour: score on fixed anchors, low ", key, " high."),
        heat_table(matrix),
    )
    return [sections.flags(content), heat, _differences(matrix), _scatter(matrix)]


def _differences(matrix: Matrix) -> Markup | None:
    wide, narrow = forest(matrix, narrow=False), forest(matrix, narrow=True)
    if wide is None:
        return None
    covers = sorted({found.covers for found in matrix.comparison.differences})
    words = note(
        f"{matrix.headline.capitalize()} minus the reference's. Thick: 95 % interval of this pair; thin:"
        f" corrected for all pairs. Hollow: a tie, no difference is shown. Intervals are over {' or '.join(covers)}."
    )
    return section("Differences in quality", words, wide, narrow, tables.differences(matrix))


def _scatter(matrix: Matrix) -> Markup | None:
    wide, narrow = scatter(matrix, narrow=False), scatter(matrix, narrow=True)
    if wide is None:
        return None
    missing = without_place(matrix)
    words = note(
        f"Vertical bars: {intervals(matrix)}. A name that finds no room stands in the table above.",
        f" Without a place on this axis: {', '.join(missing)}." if missing else None,
    )
    return section("Quality against trainable parameters", words, wide, narrow)


def _background(content: Content) -> list[Child]:
    tuned, failed = tables.tuning(content.matrix), tables.failures(content)
    budget = note("Chosen on the validation split at one seed; the test split chose nothing.")
    return [
        section("Tuning budget", budget if tuned else None, tuned or note("No method was tuned.")),
        section("Failures", failed or note("No run failed.")),
        sections.environment(content),
        sections.how(content),
        section("Every cell", tables.every_cell(content.matrix)),
        sections.again(content),
    ]


def _foot(content: Content) -> Markup:
    at = content.written_at.strftime("%Y-%m-%d %H:%M UTC")
    anchors = content.matrix.comparison.anchors_version
    return element("footer", f"Written by PEFT Atlas {content.product_version} at {at}; anchors version {anchors}.")
