"""The head of a study's page: what it is, what it shows in one sentence, and what a reader must know first."""

import re
from typing import Any

from dash import dcc, html

from app.language import filled, mark, tr, trn
from app.schemas import Comparison, Number, RunCounts, StudyOrigin, StudyView
from app.ui.cells import Matrix
from app.ui.elements import short_name
from app.ui.numbers import show
from app.ui.sentences import sentence
from app.ui.study import approval
from app.ui.study.parts import STATUS_WORDS, tag
from peft_core.spec import Budget

VERSION = re.compile(r"\S*\d+\.\d+\S*")
UNKNOWN = mark("not recorded")
MOST_NOTES = 4
"""In sight at once; more of them are unfolded, or what the study shows would be below them."""
TAKEN_OVER = {
    "hf-peft": mark("Taken over from published files; one run of each configuration."),
    "study": mark("Taken over from a study that another installation exported; nothing of it was measured here."),
}


def title(view: StudyView) -> html.Div:
    return html.Div(
        [
            html.Nav(
                [dcc.Link(tr("Studies"), href="/studies"), " / ", html.Span(f"{view.id}")],
                className="breadcrumb",
                **{"aria-label": tr("Breadcrumb")},
            ),
            html.Div(
                [
                    html.H1(view.name),
                    html.Span(tags(view), id="study-status", role="status", className="study-title"),
                    html.Span(approval.badge(view.approval), id="study-approval", role="status"),
                ],
                className="study-title",
            ),
        ]
    )


def tags(view: StudyView) -> list[html.Span]:
    """Status in a word, and what limits every number below."""
    tone = {"failed": "bad", "cancelled": "warn", "running": "accent", "queued": "plain", "succeeded": "good"}[
        view.status
    ]
    found = [tag(tr(STATUS_WORDS[view.status]), tone)]
    seeds = view.document.seeds
    if view.origin is not None:
        found.append(tag(view.origin.label, "warn", tr(TAKEN_OVER[view.origin.kind])))
    elif (seeds if isinstance(seeds, int) else len(seeds)) == 1:
        found.append(tag(tr("single seed"), "warn", tr("One seed: the intervals say nothing of other seeds.")))
    return found


def facts(view: StudyView, hardware: str | None) -> html.Dl:
    """What was compared on what; all of it chosen before the first run."""
    if view.origin is not None and view.origin.kind == "hf-peft":
        return _facts_of_import(view, view.origin, hardware)
    document = view.document
    task = document.task if isinstance(document.task, str) else short_name(document.task.dataset)
    budget = document.budget
    seeds = document.seeds if isinstance(document.seeds, int) else len(document.seeds)
    splits = view.splits
    items = (
        tr("{task}, {train} / {validation} / {test} items", task=task, **splits.model_dump(exclude={"seed"}))
        if splits
        else task
    )
    rows = {
        tr("Base model"): short_name(document.base_model),
        tr("Task"): items,
        tr("Budget"): _budget(budget),
        tr("Seeds"): str(seeds),
        tr("Hardware"): hardware or tr("no run yet"),
        tr("Precision"): view.precision or tr("chosen by the first run"),
    }
    return _listed(rows)


def _budget(budget: Budget) -> str:
    return tr(
        "{length} × batch {batch}, length ≤ {tokens}",
        length=_length(budget.epochs, budget.steps),
        batch=budget.batch_size,
        tokens=budget.max_length,
    )


def _length(epochs: int | None, steps: int | None) -> str:
    if epochs is not None:
        return trn("{count} epoch", "{count} epochs", epochs)
    said = f"{steps:,}"
    return trn("{steps} step", "{steps} steps", steps or 0, steps=said)


def _listed(rows: dict[str, str]) -> html.Dl:
    return html.Dl([html.Div([html.Dt(name), html.Dd(value)]) for name, value in rows.items()], className="facts")


def _facts_of_import(view: StudyView, origin: StudyOrigin, hardware: str | None) -> html.Dl:
    """The same of imported results, as far as their files say it."""
    length = [
        _length(None, origin.steps) if origin.steps is not None else tr(UNKNOWN),
        *([tr("batch {size}", size=origin.batch_size)] if origin.batch_size is not None else []),
        *([tr("length ≤ {tokens}", tokens=origin.max_length)] if origin.max_length is not None else []),
    ]
    counted = "" if origin.test_items is None else f"{origin.test_items:,}"
    items = [tr("{count} test items", count=counted)] if counted else []
    return _listed(
        {
            tr("Base model"): short_name(origin.base_model) if origin.base_model else tr(UNKNOWN),
            tr("Task"): ", ".join([origin.suite, *items]),
            tr("Budget"): ", ".join(length),
            tr("Source"): origin.label,
            tr("Hardware"): hardware or tr(UNKNOWN),
            tr("Precision"): view.precision or tr(UNKNOWN),
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
    count = Number(
        value=len(notes), quantity="count", statistic="flags", formula=f"flags(study {matrix.comparison.study})"
    )
    words = (
        filled("{count} comparability note", count=show(count))
        if len(notes) == 1
        else filled("{count} comparability notes", count=show(count))
    )
    badge = html.Span(words, className="tag tag-warn")
    listed: list[Any] = []
    for place, note in enumerate(notes):
        listed += [" · " if place else "", *_with_names(note.removesuffix("."), names)]
    said: list[Any] = [badge, html.Span(listed)]
    if len(notes) > MOST_NOTES:
        said = [html.Details([html.Summary(badge), html.Span(listed)])]
    return [html.Div(said, className="study-flags", **{"data-region": "evidence"})]


def small_splits(view: StudyView) -> list[Any]:
    """What validation and test splits of this size cannot tell; nothing where they are large enough."""
    if not view.warnings:
        return []
    return [html.Div([tag(tr("small splits"), "warn"), html.Span(" ".join(view.warnings))], className="study-flags")]


def mismatches(matrix: Matrix) -> list[str]:
    """A verdict that disagrees with its own interval: "tie" exactly when the corrected interval covers zero."""
    wrong = [
        d for d in matrix.comparison.differences if (d.corrected[0] <= 0 <= d.corrected[1]) != (d.verdict == "tie")
    ]
    return [
        tr("{method}: interval and verdict disagree", method=matrix.configurations[d.configuration].label)
        for d in wrong
    ]


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
    note = filled(
        "{ended} of {total} runs in. Intervals are wide until every seed has ended; ranks may change.",
        ended=show(_count(view, ended, "runs_ended")),
        total=show(_count(view, total, "runs")),
    )
    return [html.Div(html.P(note), className="note-partial", role="note", **{"data-region": "evidence"})]


def ended_runs(counts: RunCounts) -> int:
    return counts.succeeded + counts.failed + counts.cancelled


def _count(view: StudyView, value: int, statistic: str) -> Number:
    return Number(value=value, quantity="count", statistic=statistic, formula=f"{statistic}(study {view.id})")
