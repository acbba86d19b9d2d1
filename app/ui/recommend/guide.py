"""The derived selection guide: the textbook's questions as a tree to answer, each leaf computed from the studies."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import SelectionGuide, StudyView
from app.ui.policy import reading
from app.ui.recommend.case import CONSTRAINT_FIELDS
from app.ui.recommend.guide_case import LIMITS, GuideCase, answers_to, reached
from app.ui.recommend.guide_leaf import leaf_panel, spoken
from app.ui.recommend.guide_overview import every_leaf, regret_panel
from app.ui.recommend.guide_tree import guide_tree
from app.ui.recommend.views import case_store
from app.ui.session import client
from app.ui.states import error, loading
from peft_core.scenario import ConstraintName

EVERY = "every"
"""The choice of all studies as the evidence."""


def opening(query: dict[str, str], studies: list[StudyView]) -> list[Any]:
    """The guide of the address: its evidence, the answers given so far."""
    asked = GuideCase.from_query(query)
    known = asked.study if asked.study in {study.id for study in studies} else None
    case = GuideCase(known, asked.answers, asked.constraints)
    return [
        dcc.Store(id="guide-answers", data=dict(case.answers)),
        dcc.Store(id="guide-document"),
        case_store("guide", case.query()),
        _evidence(studies, case),
        html.Div(
            [html.Div(loading(), id="guide-tree"), html.Div(id="guide-leaf")],
            className="guide-grid",
        ),
        html.Div(id="guide-below", className="recommend-answer"),
        html.P(id="guide-said", className="visually-hidden", role="status"),
    ]


def _evidence(studies: list[StudyView], case: GuideCase) -> html.Section:
    """What the leaves are computed from, and the numbers that a yes can be given."""
    select = dmc.Select(
        id="guide-study",
        label=tr("Evidence"),
        data=[
            {"value": EVERY, "label": tr("every study of the team")},
            *({"value": str(study.id), "label": study.name} for study in studies),
        ],
        value=EVERY if case.study is None else str(case.study),
        allowDeselect=False,
        searchable=len(studies) > 8,
        size="xs",
    )
    note = html.P(tr("A limit counts on the paths that ask for it."), className="quiet")
    return html.Section([select, *(_limit(name, case) for name in LIMITS), note], className="panel guide-evidence")


def _limit(name: ConstraintName, case: GuideCase) -> dmc.NumberInput:
    field = CONSTRAINT_FIELDS[name]
    limit = case.constraints.get(name)
    return dmc.NumberInput(
        id={"type": "guide-limit", "name": name},
        label=field.label(),
        value="" if limit is None else float(f"{limit / field.scale:.6g}"),
        placeholder=tr("no limit"),
        min=0,
        step=field.step,
        size="xs",
        debounce=400,
    )


# -- callbacks ---------------------------------------------------------------------------------------------------------


def declare_callbacks() -> None:
    """Declared whenever the page is served, for Dash hands declared callbacks to the first application it serves."""
    reading(
        Output("guide-document", "data"),
        Output("guide-tree", "children"),
        Output("guide-below", "children"),
        Input("guide-study", "value"),
        Input({"type": "guide-limit", "name": ALL}, "value"),
        State("guide-answers", "data"),
    )(derive)
    reading(
        Output("guide-answers", "data"),
        Input({"type": "guide-branch", "goal": ALL}, "n_clicks"),
        Input({"type": "guide-again", "part": ALL}, "n_clicks"),
        State("guide-document", "data"),
        prevent_initial_call=True,
    )(choose)
    reading(
        Output("guide-leaf", "children"),
        Output("guide-said", "children"),
        Output({"type": "guide-branch", "goal": ALL}, "aria-pressed"),
        Output({"type": "recommend-query", "view": "guide"}, "data"),
        Input("guide-document", "data"),
        Input("guide-answers", "data"),
        State("guide-study", "value"),
        State({"type": "guide-limit", "name": ALL}, "value"),
        State({"type": "guide-branch", "goal": ALL}, "id"),
        prevent_initial_call=True,
    )(follow)


async def derive(study: str, limits: list[float | str | None], answers: dict[str, bool]) -> Any:
    """The whole guide from the chosen evidence."""
    case = _case(study, answers, limits)
    try:
        found = await client().selection_guide(
            case.study, **{str(name): limit for name, limit in case.constraints.items()}
        )
    except ApiProblem as problem:
        return None, error(tr("The guide could not be derived"), problem.detail), []
    below = [regret_panel(found), every_leaf(found)]
    return found.model_dump(mode="json"), guide_tree(found, case.answers), below


def choose(clicks: list[int | None], again: list[int | None], document: Any) -> Any:
    """A branch answers its question and all before it; starting again answers none."""
    if document is None or not (any(clicks) or any(again)) or not isinstance(ctx.triggered_id, dict):
        return no_update
    if ctx.triggered_id["type"] == "guide-again":
        return {}
    return answers_to(SelectionGuide.model_validate(document).questions, ctx.triggered_id["goal"])


def follow(
    document: Any,
    answers: dict[str, bool],
    study: str,
    limits: list[float | str | None],
    branches: list[dict[str, str]],
) -> Any:
    """Where the answers lead, which branches are taken, and the address of it."""
    case = _case(study, answers, limits)
    if document is None:
        return [], "", [no_update] * len(branches), case.query()
    found = SelectionGuide.model_validate(document)
    goals, here = reached(found, answers)
    pressed = ["true" if branch["goal"] in goals else "false" for branch in branches]
    return leaf_panel(found, answers), spoken(here), pressed, case.query()


def _case(study: str, answers: dict[str, bool], limits: list[float | str | None]) -> GuideCase:
    """Fields as a person left them; an empty limit is none."""
    given = zip(LIMITS, limits, strict=True)
    held = {name: float(limit) * CONSTRAINT_FIELDS[name].scale for name, limit in given if limit not in (None, "")}
    return GuideCase(None if study == EVERY else int(study), answers, held)
