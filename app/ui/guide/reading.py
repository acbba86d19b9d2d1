"""Further reading: every method of the catalogue beyond the chapter's, by family, with its paper."""

from collections.abc import Sequence

from dash import html

from app.language import mark, tr
from app.schemas import MethodCard
from app.ui.guide.frame import section, words
from app.ui.study.parts import named

IN_THE_CHAPTER = frozenset(
    {
        *("full", "lora", "adalora", "qlora", "lora_plus", "dylora", "adapter", "adapter_lora"),
        *("prefix_tuning", "p_tuning", "p_tuning_v2", "prompt_tuning"),
    }
)
FAMILIES = {
    "reference": mark("Reference rows"),
    "lora": mark("LoRA and its kin"),
    "factorised": mark("Other factorised updates"),
    "orthogonal": mark("Orthogonal updates"),
    "adapter": mark("Adapters"),
    "soft_prompt": mark("Soft prompts"),
    "selective": mark("Selective methods"),
    "rescaling": mark("Rescaling methods"),
    "spectral": mark("Spectral methods"),
}


def reading(cards: Sequence[MethodCard]) -> html.Section:
    """The chapter's own papers first."""
    return section(
        "reading",
        words(
            tr(
                "All of these can be launched here. Links lead to the papers, outside this machine. Other"
                " architectures: encoders, decoders and encoder-decoders are all taken as base models. Combined with"
                " other techniques: QLoRA trains beside a base in four bits, Adapter + LoRA puts two methods into one"
                " model."
            )
        ),
        html.H3(tr("The chapter's methods")),
        _papers([card for card in cards if card.name in IN_THE_CHAPTER]),
        html.H3(tr("Beyond the chapter")),
        *[_family(cards, family, title) for family, title in FAMILIES.items()],
    )


def _family(cards: Sequence[MethodCard], family: str, title: str) -> html.Div:
    found = [card for card in cards if card.family == family and card.name not in IN_THE_CHAPTER]
    return html.Div([html.H4(tr(title)), _papers(found)] if found else [])


def _papers(cards: Sequence[MethodCard]) -> html.Ul:
    return html.Ul([html.Li(_paper(card)) for card in cards if card.paper is not None], className="chapter-papers")


def _paper(card: MethodCard) -> html.Span:
    assert card.paper is not None
    paper = card.paper
    link = html.A(paper.title, href=paper.url, rel="noopener noreferrer")
    return html.Span(
        [
            named(card.title, card.family),
            html.Span(f" {card.summary} · ", className="quiet"),
            link,
            f" ({paper.authors} {paper.year})",
        ]
    )
