"""What a person sets: the scenario, the weights, what must hold. And the textbook's opinion beside the evidence."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.language import tr
from app.schemas import Recommendation, ScenarioCard
from app.ui.numbers import show
from app.ui.recommend.answer import pick_names
from app.ui.recommend.case import CONSTRAINT_FIELDS, CRITERION_TITLES, Case
from app.ui.recommend.kept import keep_field
from app.ui.still import still_inside
from app.ui.study.tabs import table
from peft_core.scenario import ConstraintName, Criterion


def scenario_cards(cards: list[ScenarioCard], chosen: str | None, answers: dict[str, Recommendation]) -> html.Div:
    """One button per scenario, with what the evidence answers to it as it stands."""
    return html.Div(
        [_scenario_card(card, card.key == chosen, answers.get(card.key)) for card in cards],
        className="scenario-cards",
        role="group",
        **{"aria-label": tr("Scenario")},
    )


def _scenario_card(card: ScenarioCard, pressed: bool, found: Recommendation | None) -> html.Button:
    return still_inside(
        html.Button(
            [
                html.Span(card.title, className="scenario-title"),
                html.Span(card.summary, className="label"),
                html.Span(_short_answer(found), className="scenario-answer", **{"data-region": "evidence"}),
            ],
            id={"type": "scenario", "key": card.key},
            type="button",
            className="scenario-card",
            **{"aria-pressed": "true" if pressed else "false"},
        )
    )


def _short_answer(found: Recommendation | None) -> list[Any]:
    if found is None:
        return []
    first = next((row for row in found.ranked if row.configuration == found.pick), None)
    if first is None:
        return [html.Span(tr("not enough evidence"), className="quiet")]
    return [html.Span(pick_names(found)), html.Span(show(first.p_best), className="quiet")]


def controls(card: ScenarioCard, case: Case) -> html.Section:
    """Sliders for the weights, fields for the limits, the floor."""
    return html.Section(
        [
            html.Div(
                [
                    html.H2(tr("Your case")),
                    dmc.Button(tr("Reset"), id="recommend-reset", variant="subtle", size="compact-sm"),
                ],
                className="panel-head",
            ),
            html.P(tr("Weights: opinions, yours to edit"), className="label control-group"),
            *[_weight(name, weight_of(card, case, name)) for name in CRITERION_TITLES],
            html.P(tr("What must hold"), className="label control-group"),
            html.Div([_limit(name, case) for name in CONSTRAINT_FIELDS], className="limit-fields"),
            _floor(case),
            keep_field(),
        ],
        id="recommend-case",
        className="panel recommend-case",
        **{"aria-label": tr("Your case")},
    )


def weight_of(card: ScenarioCard, case: Case, name: Criterion) -> float:
    """The case's own weight, else the scenario's."""
    return (case.weights or card.weights).get(name, 0.0)


def limit_of(case: Case, name: ConstraintName) -> float | None:
    """The limit in the unit of its field, None where there is none."""
    limit = (case.constraints or {}).get(name)
    return None if limit is None else float(f"{limit / CONSTRAINT_FIELDS[name].scale:.6g}")


def _weight(name: Criterion, value: float) -> html.Div:
    title = tr(CRITERION_TITLES[name])
    return html.Div(
        [
            html.Div(
                [html.Span(title), html.Span(f"{value:.2f}", id={"type": "weight-shown", "name": name})],
                className="weight-head",
            ),
            dmc.Slider(
                id={"type": "weight", "name": name},
                min=0,
                max=1,
                step=0.05,
                value=value,
                label=None,
                thumbLabel=tr("Weight of {criterion}", criterion=title.lower()),
                size="sm",
                thumbSize=18,
                updatemode="drag",
            ),
        ],
        className="weight",
    )


def _limit(name: ConstraintName, case: Case) -> dmc.NumberInput:
    field = CONSTRAINT_FIELDS[name]
    return dmc.NumberInput(
        id={"type": "limit", "name": name},
        label=field.label(),
        value="" if (limit := limit_of(case, name)) is None else limit,
        placeholder=tr("no limit"),
        min=0,
        step=field.step,
        size="xs",
        debounce=400,
    )


def _floor(case: Case) -> dmc.NumberInput:
    return dmc.NumberInput(
        id="recommend-floor",
        label=tr("Quality floor, % of full fine-tuning's gain to keep"),
        value=float(f"{100 * case.floor:.6g}"),
        min=0,
        max=100,
        step=1,
        size="xs",
        debounce=400,
    )


def textbook(cards: list[ScenarioCard], answers: dict[str, Recommendation]) -> html.Section:
    """The selection guide's picks beside ours: an expectation to confirm or refute, never mixed into a score."""
    body = [
        html.Tr(
            [
                html.Th(card.title, scope="row"),
                html.Td(html.Span(card.textbook_pick, **{"data-label": card.textbook_pick})),
                html.Td(_picks(answers.get(card.key))),
            ]
        )
        for card in cards
    ]
    head = html.Tr([html.Th(tr("Scenario")), html.Th(tr("Textbook")), html.Th(tr("Evidence"))])
    note = html.P(
        tr("Its scores were never measured: shown to be confirmed or refuted, not mixed in."), className="study-note"
    )
    return html.Section(
        [html.H3(tr("The textbook expects")), note, table(head, body, className="study-table-wrap")],
        className="panel",
        **{"data-region": "evidence"},
    )


def _picks(found: Recommendation | None) -> list[Any]:
    if found is None or not found.picks:
        return [html.Span(tr("not enough evidence"), className="quiet")]
    return pick_names(found)
