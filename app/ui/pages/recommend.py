"""Recommend: which method for a case: from one study, by the derived selection guide, or for what was not measured."""

from typing import Any, cast, get_args

from dash import html, register_page

from app.client import ApiProblem
from app.language import mark, tr
from app.schemas import ScenarioCard, StudyView
from app.ui.recommend import from_study, guide, kept, lookup
from app.ui.recommend.views import View, keep_case_in_address, view_links
from app.ui.session import client
from app.ui.states import empty, error

register_page(__name__, path="/recommend", name="Recommend", title=lambda **_: tr("Recommend · PEFT Atlas"))

PROMISES: dict[View, str] = {
    "study": mark("Which method for your case, from what one study measured."),
    "guide": mark("The textbook's questions, every answer derived from what was measured."),
    "lookup": mark("A case of your own: measured, estimated from the nearest studies, or what to run to know it."),
}


async def layout(view: str = "study", **query: str) -> Any:
    """One of the three parts; the address holds which one and its case."""
    shown: View = cast(View, view) if view in get_args(View) else "study"
    api = client()
    try:
        studies = (await api.studies(limit=200)).items
        cards = await api.scenarios()
        if shown == "lookup":
            body = await lookup.opening(api, query, cards)
        elif not studies:
            body = [_no_study()]
        else:
            body = await _opening(shown, query, studies, cards)
    except ApiProblem as problem:
        return error(tr("The studies could not be read"), problem.detail)
    return html.Div([_head(shown), *body], className="recommend")


async def _opening(view: View, query: dict[str, str], studies: list[StudyView], cards: list[ScenarioCard]) -> list[Any]:
    if view == "guide":
        return guide.opening(query, studies)
    return from_study.opening(query, studies, cards, await client().custom_scenarios())


def _head(view: View) -> html.Header:
    words = html.Div([html.H1(tr("Recommend")), html.P(tr(PROMISES[view]), className="quiet")])
    return html.Header([words, view_links(view)], className="page-head")


def _no_study() -> Any:
    return empty(
        tr("No study yet"),
        tr("A recommendation rests on measured runs. Launch a study; the answer appears here when its runs are in."),
        [(tr("New study"), "/studies/new")],
    )


keep_case_in_address()
from_study.declare_callbacks()
kept.declare_callbacks()
guide.declare_callbacks()
lookup.declare_callbacks()
