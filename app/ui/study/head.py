"""The head of a study's page: what it is, what it shows in one sentence, and what a reader must know first."""

import re
from typing import Any

from dash import dcc, html

from app.schemas import Comparison, Number, RunCounts, StudyOrigin, StudyView
from app.ui.cells import Matrix
from app.ui.elements import short_name
from app.ui.numbers import show
from app.ui.sentences import sentence
from app.ui.study.parts import tag

VERSION = re.compile(r"\S*\d+\.\d+\S*")
UNKNOWN = "not recorded"
TAKEN_OVER = {
    "hf-peft": "Taken over from published files; one run of each configuration.",
    "study": "Taken over from a study that another installation exported; nothing of it was measured here.",
}


def title(view: StudyView) -> html.Div:
    return html.Div(
        [
            html.Nav(
                [dcc.Link("Studies", href="/studies"), " / ", html.Span(f"{view.id}")],
                className="breadcrumb",
                **{"aria-label": "Breadcrumb"},
            ),
            html.Div([html.H1(view.name), *tags(view)], className="study-title"),
        ]
    )


def tags(view: StudyView) -> list[html.Span]:
    """Status in a word, and what limits every number below."""
    tone = {"failed": "bad", "cancelled": "warn", "running": "accent", "queued": "plain", "succeeded": "good"}[
        view.status
    ]
    word = "finished" if view.status == "succeeded" else view.status
    found = [tag(word, tone)]
    seeds = view.document.seeds
    if view.origin is not None:
        found.append(tag(view.origin.label, "warn", TAKEN_OVER[view.origin.kind]))
    elif (seeds if isinstance(seeds, int) else len(seeds)) == 1:
        found.append(tag("single seed", "warn", "One seed: the intervals say nothing of other seeds."))
    return found


def facts(view: StudyView, hardware: str | None) -> html.Dl:
    """What was compared on what; all of it chosen before the first run."""
    if view.origin is not None and view.origin.kind == "hf-peft":
        return _facts_of_import(view, view.origin, hardware)
    document = view.document
    task = document.task if isinstance(document.task, str) else short_name(document.task.dataset)
    budget = document.budget
    length = f"{budget.epochs} epochs" if budget.epochs is not None else f"{budget.steps:,} steps"
    seeds = document.seeds if isinstance(document.seeds, int) else len(document.seeds)
    splits = view.splits
    rows = {
        "Base model": short_name(document.base_model),
        "Task": f"{task}, {splits.train} / {splits.validation} / {splits.test} items" if splits else task,
        "Budget": f"{length} × batch {budget.batch_size}, length ≤ {budget.max_length}",
        "Seeds": str(seeds),
        "Hardware": hardware or "no run yet",
        "Precision": view.precision or "chosen by the first run",
    }
    return _listed(rows)


def _listed(rows: dict[str, str]) -> html.Dl:
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in rows.items()], className="facts")


def _facts_of_import(view: StudyView, origin: StudyOrigin, hardware: str | None) -> html.Dl:
    """The same of imported results, as far as their files say it."""
    steps = f"{origin.steps:,} steps" if origin.steps is not None else UNKNOWN
    batch = f" × batch {origin.batch_size}" if origin.batch_size is not None else ""
    length = f", length ≤ {origin.max_length}" if origin.max_length is not None else ""
    items = f", {origin.test_items:,} test items" if origin.test_items is not None else ""
    return _listed(
        {
            "Base model": short_name(origin.base_model) if origin.base_model else UNKNOWN,
            "Task": f"{origin.suite}{items}",
            "Budget": f"{steps}{batch}{length}",
            "Source": origin.label,
            "Hardware": hardware or UNKNOWN,
            "Precision": view.precision or UNKNOWN,
        }
    )


def verdict(comparison: Comparison) -> html.P:
    return html.P(sentence(comparison.verdict), className="study-verdict", **{"data-region": "evidence"})


def flags(matrix: Matrix) -> list[Any]:
    """Comparability notes: how many, and each in words."""
    notes = [*matrix.comparison.flags, *mismatches(matrix)]
    if not notes:
        return []
    names = sorted((row.label for row in matrix.comparison.configurations), key=len, reverse=True)
    word = "comparability note" if len(notes) == 1 else "comparability notes"
    count = Number(
        value=len(notes), quantity="count", statistic="flags", formula=f"flags(study {matrix.comparison.study})"
    )
    badge = html.Span([show(count), f" {word}"], className="tag tag-warn")
    listed: list[Any] = []
    for place, note in enumerate(notes):
        listed += [" · " if place else "", *_with_names(note.removesuffix("."), names)]
    return [html.Div([badge, html.Span(listed)], className="study-flags", **{"data-region": "evidence"})]


def small_splits(view: StudyView) -> list[Any]:
    """What validation and test splits of this size cannot tell; nothing where they are large enough."""
    if not view.warnings:
        return []
    return [html.Div([tag("small splits", "warn"), html.Span(" ".join(view.warnings))], className="study-flags")]


def mismatches(matrix: Matrix) -> list[str]:
    """A verdict that disagrees with its own interval: "tie" exactly when the corrected interval covers zero."""
    wrong = [
        d for d in matrix.comparison.differences if (d.corrected[0] <= 0 <= d.corrected[1]) != (d.verdict == "tie")
    ]
    return [f"{matrix.configurations[d.configuration].label}: interval and verdict disagree" for d in wrong]


def _with_names(note: str, names: list[str]) -> list[Any]:
    """A note with the names and versions in it marked as such: their digits are no measurements."""
    known = re.compile("|".join([*map(re.escape, names), VERSION.pattern]))
    parts: list[Any] = []
    end = 0
    for found in known.finditer(note):
        parts += [note[end : found.start()], html.Span(found.group(), **{"data-label": found.group()})]
        end = found.end()
    return [*parts, note[end:]]


def partial(view: StudyView) -> list[Any]:
    """While runs are missing: how many are in, above the real figures."""
    counts = view.counts
    missing = counts.queued + counts.running
    if not missing:
        return []
    ended, total = ended_runs(counts), ended_runs(counts) + missing
    note = [
        show(_count(view, ended, "runs_ended")),
        " of ",
        show(_count(view, total, "runs")),
        " runs in. Intervals widen until every seed has ended; ranks may change.",
    ]
    return [html.Div(html.P(note), className="note-partial", role="note", **{"data-region": "evidence"})]


def ended_runs(counts: RunCounts) -> int:
    return counts.succeeded + counts.failed + counts.cancelled


def _count(view: StudyView, value: int, statistic: str) -> Number:
    return Number(value=value, quantity="count", statistic=statistic, formula=f"{statistic}(study {view.id})")
