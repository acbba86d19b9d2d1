"""What would change an answer, who was ruled out, and who could not be ranked."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import Change, RankedCandidate, Recommendation, Vetoed
from app.ui.numbers import show
from app.ui.recommend.verdicts import verdict_word
from app.ui.sentences import sentence
from app.ui.study.parts import named
from app.ui.study.tabs import table

MOST_REASONS = 8
"""Of methods that are out, before the rest is folded away."""


def what_changes(found: Recommendation) -> html.Section:
    """One edit of the question at a time, and the pick it would give."""
    title = html.H3(tr("What would change this answer"))
    if not found.changes:
        return html.Section(
            [title, html.P(tr("Nothing to vary until there is an answer."), className="quiet")], className="panel"
        )
    picked = {row.label for row in found.ranked if row.configuration in found.picks}
    body = [
        _change(change, still=change.pick in picked, family=_family(found, change.pick)) for change in found.changes
    ]
    head = html.Tr([html.Th(tr("Change")), html.Th(tr("Then")), html.Th(tr("P(best)"))])
    return html.Section(
        [title, table(head, body, className="study-table-wrap")], className="panel", **{"data-region": "evidence"}
    )


def _family(found: Recommendation, label: str) -> str:
    rows: list[RankedCandidate | Vetoed] = [*found.ranked, *found.vetoed, *found.left_out]
    return next((row.family for row in rows if row.label == label), "reference")


def _change(change: Change, *, still: bool, family: str) -> html.Tr:
    said = tr("still") if still else tr("instead")
    words = (
        said
        if change.verdict is None
        else tr("{said}, {verdict}", said=said, verdict=verdict_word(change.verdict).lower())
    )
    pick = [named(change.pick, family), html.Span(f" {words}", className="quiet")]
    return html.Tr([html.Td(sentence(change.change)), html.Td(pick), html.Td(show(change.p_best))])


def ruled_out(found: Recommendation) -> html.Section:
    """Who was vetoed, by which limit, and who could not be ranked for want of a measurement."""
    parts: list[Any] = [html.H3(tr("Ruled out"))]
    parts += _reasons(found.vetoed) or [html.P(tr("No method was ruled out."), className="quiet")]
    if found.left_out:
        parts += [html.H3(tr("Not ranked")), *_reasons(found.left_out)]
    return html.Section(parts, className="panel", **{"data-region": "evidence"})


def _reasons(rows: list[Vetoed]) -> list[Any]:
    if not rows:
        return []
    shown, folded = rows[:MOST_REASONS], rows[MOST_REASONS:]
    parts: list[Any] = [html.Ul([_reason(row) for row in shown], className="recommend-reasons")]
    if folded:
        rest = html.Ul([_reason(row) for row in folded], className="recommend-reasons")
        parts.append(html.Details([html.Summary(tr("And {count} more", count=len(folded))), rest]))
    return parts


def _reason(row: Vetoed) -> html.Li:
    """Who is out and why; of one that only quality ruled out also how often it is best after all."""
    words: list[Any] = sentence(row.reason)
    if row.p_best is not None and row.p_best.value > 0:
        words = filled(
            "{reason}; good enough after all, and best, in {share} of the draws",
            reason=html.Span(words),
            share=show(row.p_best),
        )
    return html.Li([named(row.label, row.family), html.Div(words, className="quiet")])
