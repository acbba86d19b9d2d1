"""The chapter's claims, each with its verdict, its numbers, and the study that measures it."""

from collections.abc import Sequence
from typing import Any

from dash import html

from app.language import filled, mark, tr
from app.schemas import ClaimFinding, Claims, ClaimVerdict, ClaimView, Part, RunView
from app.ui.guide.frame import evidence, section, words
from app.ui.launch.link import preset_address
from app.ui.sentences import sentence
from app.ui.states import loading

VERDICTS: dict[ClaimVerdict, tuple[str, str, str]] = {
    "holds": (mark("holds"), "good", "✓"),
    "does not hold": (mark("does not hold"), "bad", "✕"),
    "undecided": (mark("undecided"), "plain", "~"),
    "holds by formula": (mark("holds by formula"), "good", "✓"),
    "false by formula": (mark("false by formula"), "bad", "✕"),
    "not measured yet": (mark("not measured yet"), "open", "?"),
}
"""Word, tone and sign of each verdict."""
MOST_FINDINGS = 3
"""So many studies stand open; the others are folded away."""
SWEEPS = ("lora_rank_sixteen", "adapter_best_eighth", "prefix_best_length")
"""The claims whose studies also stand in the sections about what they sweep."""


def claims() -> html.Section:
    """The section while the studies are asked."""
    return section(
        "claims",
        words(
            tr(
                "A chapter can print any number. Here each of its claims names the rule by which it is tested, and has"
                " a verdict only from arithmetic or from runs: one study that contradicts a claim refutes it, and where"
                " nothing was measured it says so."
            )
        ),
        html.Div(loading(rows=8, height=120), id="chapter-claims"),
    )


def listed(found: Claims) -> list[Any]:
    """Every claim as a card, the verdicts counted above."""
    cards = [html.Li(_card(claim), id=f"claim-{claim.key}") for claim in found.items]
    return [_counts(found), html.Ul(cards, className="chapter-claims")]


def _counts(found: Claims) -> html.P:
    counted = {verdict: sum(claim.verdict == verdict for claim in found.items) for verdict in VERDICTS}
    pieces = [
        html.Span([verdict_tag(verdict), " ", str(count)], className="chapter-count")
        for verdict, count in counted.items()
        if count
    ]
    return html.P(pieces, className="chapter-counts")


def verdict_tag(verdict: ClaimVerdict) -> html.Span:
    """A verdict as sign and word."""
    word, tone, sign = VERDICTS[verdict]
    return html.Span(
        [html.Span(sign, **{"aria-hidden": "true"}), " ", tr(word)],
        className=f"chapter-verdict chapter-verdict-{tone}",
        **{"data-verdict": verdict},
    )


def _card(claim: ClaimView) -> html.Article:
    title = html.H3(html.A(claim.title, href=f"#claim-{claim.key}"))
    return html.Article(
        [
            html.Div([title, verdict_tag(claim.verdict)], className="chapter-claim-head"),
            html.Blockquote(claim.statement),
            evidence(html.Div(id={"type": "chapter-formula", "claim": claim.key}), *_measured(claim)),
            html.Details(
                [
                    html.Summary(tr("How it is tested")),
                    html.P(claim.tested),
                    html.P(filled("In the chapter: {where}.", where=claim.origin), className="quiet"),
                ]
            ),
        ],
        className="panel chapter-claim",
    )


def _measured(claim: ClaimView) -> list[Any]:
    """What studies say, or the way to a study that would."""
    if not claim.findings:
        return [html.P([tr("No study here has measured it."), " ", launch_link(claim.preset)])]
    first, rest = claim.findings[:MOST_FINDINGS], claim.findings[MOST_FINDINGS:]
    more = [html.Details([html.Summary(tr("More studies")), _findings(rest)])] if rest else []
    return [html.P(sentence(claim.summary)), _findings(first), *more]


def launch_link(preset: str) -> html.A:
    """New study, with the rows that would measure it."""
    return html.A(tr("Launch a study that measures it"), href=preset_address(preset), className="chapter-launch")


def _findings(found: Sequence[ClaimFinding]) -> html.Ul:
    return html.Ul([html.Li(_finding(one)) for one in found], className="chapter-findings")


def _finding(found: ClaimFinding) -> list[Any]:
    said = {True: tr("agrees"), False: tr("disagrees"), None: tr("no difference shown")}[found.agrees]
    link = html.A(found.name, href=f"/studies/{found.study}", **{"data-label": found.name})
    return [link, html.Span(said, className="chapter-said"), *sentence(found.sentence)]


def in_section(found: Claims, key: str) -> list[Any]:
    """What was measured of a sweep, for the section about it."""
    claim = next(claim for claim in found.items if claim.key == key)
    head = html.P(
        [verdict_tag(claim.verdict), " ", html.A(claim.statement, href=f"#claim-{key}", **{"data-label": key})]
    )
    return [head, *_measured(claim)]


def spectra(runs: Sequence[RunView]) -> list[Any]:
    """Runs whose update can be looked at."""
    if not runs:
        return [
            html.P([tr("No run here has a trained update to decompose yet."), " ", launch_link("rank_sweep")]),
        ]
    different = {(run.label, run.study_id): run for run in runs}
    links = [
        html.Li(html.A([run.label, " · ", run.study_name], href=f"/runs/{run.id}", **{"data-label": run.label}))
        for run in different.values()
    ]
    return [
        html.P(tr("Spectra of real updates, on the pages of these runs:")),
        html.Ul(links, className="chapter-findings"),
    ]


def formula(said: Sequence[Any] | None) -> Any:
    """What mathematics says of a claim in the case, as the browser keeps it; nothing for most of them."""
    if not said:
        return []
    return html.P(sentence([Part.model_validate(part) for part in said]), className="chapter-by-formula")
