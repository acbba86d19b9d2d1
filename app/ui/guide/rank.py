"""LoRA's rank: parameters by formula, quality by measuring, and the singular values of real updates."""

from math import log2
from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import CostsView, RankFigures
from app.ui.guide.figures import maths, scrolled
from app.ui.guide.frame import evidence, section, words
from app.ui.numbers import show


def rank(costs: CostsView) -> html.Section:
    """The section; what is measured arrives with the claims."""
    return section(
        "rank",
        words(
            tr(
                "The rank sets how many numbers LoRA trains, in proportion. What it buys is not known from a formula:"
                " quality usually flattens early, and where it does depends on task and model. So sweep it."
            )
        ),
        evidence(*ranks(costs), name="chapter-ranks"),
        evidence(id_place("lora_rank_sixteen"), className="chapter-measured"),
        html.H3(tr("Matrix decomposition")),
        words(
            tr(
                "Behind LoRA stands an observation: the change that training makes to a weight matrix has few singular"
                " values that matter. Any matrix is a sum of rank-one pieces, σᵢ·uᵢvᵢᵀ, sorted by σ; keeping the first"
                " r leaves the error √(Σ σᵢ² beyond r), and no other matrix of rank r comes closer (Eckart and Young)."
                " The page of a run shows this of its real update, full fine-tuning's too: the singular values, the"
                " share of the whole that the first r hold, and the error by rank."
            )
        ),
        evidence(html.Div(id="chapter-spectra"), className="chapter-measured"),
    )


def id_place(claim: str) -> html.Div:
    """Where the measured side of a claim stands within a section."""
    return html.Div(id=f"chapter-measured-{claim}")


def ranks(costs: CostsView) -> list[Any]:
    """One row for each rank, its bar on a logarithmic scale."""
    title = filled("One matrix of d = {width}, rank by rank", width=show(costs.figures["width"]))
    head = html.Tr(
        [
            html.Th(tr("Rank r")),
            html.Th(filled("Parameters, {formula}", formula=maths("2dr")), className="number"),
            html.Th(tr("of d²"), className="number"),
            html.Th(tr("times fewer"), className="number"),
            html.Th(html.Span(tr("Share as a bar"), className="visually-hidden"), className="chapter-bar-column"),
        ]
    )
    chosen = int(costs.figures["rank"].value)
    body = [_row(found, chosen) for found in costs.ranks]
    table = html.Table([html.Thead(head), html.Tbody(body)], className="plain")
    note = tr("Bars on a logarithmic scale: each doubling of the rank is one step. The chosen rank is marked.")
    return [
        html.H3(title),
        scrolled(table, tr("Parameters of LoRA by rank")),
        html.P(note, className="quiet"),
    ]


def _row(found: RankFigures, chosen: int) -> html.Tr:
    numbers, here = found.numbers, found.rank == chosen
    # From a thousandth of the matrix to all of it.
    length = max(0.02, min(1.0, 1 + log2(numbers["share"].value) / 10))
    bar = html.Div(html.Div(style={"width": f"{100 * length:.1f}%"}), className="chapter-rank-bar")
    name = html.Span(str(found.rank), **{"data-label": f"r{found.rank}"})
    return html.Tr(
        [
            html.Th(
                [name, html.Span([" ← ", tr("chosen")], className="chapter-chosen")] if here else name, scope="row"
            ),
            html.Td(show(numbers["parameters"]), className="number"),
            html.Td(show(numbers["share"]), className="number"),
            html.Td(show(numbers["reduction"]), className="number"),
            html.Td(bar, **{"aria-hidden": "true"}),
        ],
        className="chapter-row-chosen" if here else "",
    )
