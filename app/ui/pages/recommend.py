"""Recommend: which method for a case: from one study, by the derived selection guide, or for what was not measured."""

from typing import Any, cast, get_args

from dash import html, register_page

from app.client import ApiProblem
from app.ui.recommend import from_study, guide, lookup
from app.ui.recommend.views import View, keep_case_in_address, view_links
from app.ui.session import client
from app.ui.states import empty, error

register_page(__name__, path="/recommend", name="Recommend", title="Recommend · PEFT Atlas")

PROMISES: dict[View, str] = {
    "study": "Which method for your case, from what one study measured.",
    "guide": "The textbook's questions, every answer derived from what was measured.",
    "lookup": "A case of your own: measured, estimated from the nearest studies, or what to run to know it.",
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
            body = guide.opening(query, studies) if shown == "guide" else from_study.opening(query, studies, cards)
    except ApiProblem as problem:
        return error("The studies could not be read", problem.detail)
    return html.Div([_head(shown), *body], className="recommend")


def _head(view: View) -> html.Header:
    words = html.Div([html.H1("Recommend"), html.P(PROMISES[view], className="quiet")])
    return html.Header([words, view_links(view)], className="page-head")


def _no_study() -> Any:
    return empty(
        "No study yet",
        "A recommendation rests on measured runs. Launch a study; the answer appears here when its runs are in.",
        [("New study", "/studies/new")],
    )


keep_case_in_address()
from_study.declare_callbacks()
guide.declare_callbacks()
lookup.declare_callbacks()
