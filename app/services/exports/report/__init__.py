"""HTML: a report of one file, to read, to send and to print. It needs no script and asks no other place for anything.

Its figures are drawn here as SVG, not by the pages' charts: those belong to the layer above, and making a picture of
one takes a browser, which a server that writes reports need not have.
"""

from datetime import UTC, datetime
from importlib.metadata import version

from sqlalchemy import Engine

from app.language import DEFAULT, filled, language, spaced, speaking, tr
from app.matrix import Matrix
from app.schemas import StudyView
from app.services.callers import Caller
from app.services.exports.conditions import Conditions, read_conditions
from app.services.exports.markdown import STATUS_WORDS
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
        yaml=_document(view, conditions),
        product_version=version("peft-atlas"),
        written_at=datetime.now(UTC),
    )
    return page(content)


def _document(view: StudyView, conditions: Conditions) -> str:
    """The study's document as it is exported: the same in every language."""
    with speaking(DEFAULT):
        return yaml_text(view, conditions)


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
    return f"<!doctype html>\n{element('html', head, body, lang=language())}\n"


def _head(content: Content) -> Markup:
    status = tr("finished") if content.view.status == "succeeded" else tr(STATUS_WORDS[content.view.status])
    kicker = tr("Comparison of fine-tuning methods · study {study}, {status}", study=content.view.id, status=status)
    return element(
        "header",
        element("p", kicker, class_="kicker"),
        element("h1", content.view.name),
        sections.reviewed(content.view),
        element("p", sentence(content.matrix.comparison.verdict), class_="verdict"),
        sections.imported(content),
        sections.compared(content),
    )


def _evidence(content: Content) -> list[Child]:
    matrix = content.matrix
    key = element("span", class_="key", role="img", aria_label=tr("from low to high"))
    heat = section(
        tr("Methods by metrics"),
        note(
            filled(
                "Raw values; below them {intervals}. Colour: score on fixed anchors, low {scale} high.",
                intervals=intervals(matrix),
                scale=key,
            )
        ),
        heat_table(matrix),
    )
    return [sections.flags(content), heat, _differences(matrix), _scatter(matrix)]


def _differences(matrix: Matrix) -> Markup | None:
    wide, narrow = forest(matrix, narrow=False), forest(matrix, narrow=True)
    if wide is None:
        return None
    covers = sorted({tr(found.covers) for found in matrix.comparison.differences})
    words = note(
        tr(
            "{score} minus the reference's. Thick: 95 % interval of this pair; thin: corrected for all pairs. Hollow: a"
            " tie, no difference is shown. Intervals are over {covers}.",
            score=matrix.headline.capitalize(),
            covers=tr(" or ").join(covers),
        )
    )
    return section(tr("Differences in quality"), words, wide, narrow, tables.differences(matrix))


def _scatter(matrix: Matrix) -> Markup | None:
    wide, narrow = scatter(matrix, narrow=False), scatter(matrix, narrow=True)
    if wide is None:
        return None
    missing = without_place(matrix)
    told = [
        tr(
            "Vertical bars: {intervals}. A name that finds no room stands in the table above.",
            intervals=intervals(matrix),
        )
    ]
    told += [tr("Without a place on this axis: {methods}.", methods=tr(", ").join(missing))] if missing else []
    return section(tr("Quality against trainable parameters"), note(spaced(told)), wide, narrow)


def _background(content: Content) -> list[Child]:
    tuned, failed = tables.tuning(content.matrix), tables.failures(content)
    budget = note(tr("Chosen on the validation split at one seed; the test split chose nothing."))
    return [
        section(tr("Tuning budget"), budget if tuned else None, tuned or note(tr("No method was tuned."))),
        section(tr("Failures"), failed or note(tr("No run failed."))),
        sections.environment(content),
        sections.how(content),
        section(tr("Every cell"), tables.every_cell(content.matrix)),
        sections.again(content),
    ]


def _foot(content: Content) -> Markup:
    at = content.written_at.strftime("%Y-%m-%d %H:%M UTC")
    anchors = content.matrix.comparison.anchors_version
    words = tr(
        "Written by PEFT Atlas {version} at {time}; anchors version {anchors}.",
        version=content.product_version,
        time=at,
        anchors=anchors,
    )
    return element("footer", words)
