"""The cards of a new study's methods: by family, the lesser known folded away, found by any of their words."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, dcc, html

from app.language import filled, tr, trn
from app.schemas import MethodCard
from app.ui.numbers import by_formula, show
from app.ui.theme import FAMILY_TITLES

FOLDED_FROM = 50
"""A method's place in the catalogue from which on its card is behind "more methods"."""


def search_field() -> Any:
    """Where a word of a method or of its paper is typed."""
    asked = tr("Find a method or paper")
    return dmc.TextInput(id="method-search", value="", placeholder=asked, className="search", **{"aria-label": asked})


def method_cards(methods: list[MethodCard], base_model: str) -> list[Any]:
    """The cards of all methods but the references."""
    first = [card for card in methods if card.place < FOLDED_FROM]
    more = [card for card in methods if card.place >= FOLDED_FROM]
    summary = [trn("{count} more method", "{count} more methods", len(more)), html.Span(id="more-chosen")]
    words = {"none": tr("No method or paper has these words."), "chosen": tr(", {count} of them chosen")}
    return [
        *_families(first, base_model),
        html.Details([html.Summary(summary), *_families(more, base_model)], id="more-methods", className="more"),
        html.P(id="method-search-note", className="quiet", role="status"),
        dcc.Store(id="method-words", data={card.name: _words(card) for card in methods}),
        dcc.Store(id="methods-folded", data=[card.name for card in more]),
        dcc.Store(id="card-words", data=words),
    ]


def _words(card: MethodCard) -> str:
    """Everything by which a card is found, in small letters."""
    paper = [card.paper.title, card.paper.authors, str(card.paper.year)] if card.paper else []
    return " ".join([card.title, card.name, card.summary, FAMILY_TITLES[card.family], *paper]).lower()


def _families(methods: list[MethodCard], base_model: str) -> list[html.Section]:
    found = {family: [card for card in methods if card.family == family] for family in FAMILY_TITLES}
    return [_family(family, cards, base_model) for family, cards in found.items() if cards]


def _family(family: str, cards: list[MethodCard], base_model: str) -> html.Section:
    title = tr(FAMILY_TITLES[family])
    mark = html.Span(className=f"family family-{family}", **{"aria-hidden": "true"})
    group = {"aria-label": title}
    return html.Section(
        [
            html.H4([mark, title]),
            html.Div([_card(card, base_model) for card in cards], className="method-cards", role="group", **group),
        ],
        className="method-family",
    )


def _card(card: MethodCard, base_model: str) -> html.Button:
    tick = html.Span(html.Span(className="icon icon-check"), className="tick", **{"aria-hidden": "true"})
    told = html.Span(fact(card, base_model), id={"type": "method-fact", "method": card.name})
    paper = [html.Span(f"{card.paper.authors} {card.paper.year}")] if card.paper else []
    parts: list[Any] = [
        html.Span([tick, card.title], className="top"),
        html.Span(card.summary),
        html.Span([*paper, told], className="label"),
    ]
    return html.Button(
        parts,
        id={"type": "method-toggle", "method": card.name},
        className="method-card",
        type="button",
        title=card.trains,
        disabled=card.not_offered is not None,
        **{"aria-pressed": "false"},
    )


def fact(card: MethodCard, base_model: str) -> html.Span:
    """How many parameters a method trains on the chosen base model, or why it cannot."""
    if card.not_offered or card.trainable_parameters is None:
        return html.Span(tr("not offered: {reason}", reason=card.not_offered), className="refused")
    trained = by_formula(
        card.trainable_parameters, "count", f"trainable_parameters(method {card.name}, base_model {base_model})"
    )
    return html.Span(filled("{count} trainable", count=show(trained)), **{"data-region": "evidence"})


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        """(query, words, said, ids) => {
            const asked = (query ?? '').toLowerCase().split(/\\s+/).filter(word => word);
            const hidden = ids.map(id => !asked.every(word => words[id.method].includes(word)));
            return [hidden, asked.length > 0, hidden.every(Boolean) ? said.none : ''];
        }""",
        Output({"type": "method-toggle", "method": ALL}, "hidden"),
        Output("more-methods", "open"),
        Output("method-search-note", "children"),
        Input("method-search", "value"),
        State("method-words", "data"),
        State("card-words", "data"),
        State({"type": "method-toggle", "method": ALL}, "id"),
    )
    clientside_callback(
        """(chosen, toggles) => toggles.map(id => String(chosen.some(row => row.method === id.method)))""",
        Output({"type": "method-toggle", "method": ALL}, "aria-pressed"),
        Input("methods-chosen", "data"),
        State({"type": "method-toggle", "method": ALL}, "id"),
    )
    clientside_callback(
        """(chosen, folded, said) => {
            const found = new Set(chosen.map(row => row.method).filter(method => folded.includes(method)));
            return found.size ? said.chosen.replace('{count}', found.size) : '';
        }""",
        Output("more-chosen", "children"),
        Input("methods-chosen", "data"),
        State("methods-folded", "data"),
        State("card-words", "data"),
    )
