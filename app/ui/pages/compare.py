"""Compare: methods across studies: the matrix, two methods against each other, and all of them ranked."""

from typing import Any

from dash import Input, Output, ctx, html, no_update, register_page

from app.client import ApiProblem
from app.language import tr
from app.schemas import StudiesCompared
from app.ui.compare.controls import method_options, study_options
from app.ui.compare.figures import FIGURES, drawn, room
from app.ui.compare.panels import panels, stores, texts
from app.ui.compare.question import ComparedQuestion, address_of, csv_address, keep_in_address
from app.ui.compare.too_few import too_few
from app.ui.elements import page_head
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error
from app.ui.theme import palette

LEAST_STUDIES = 2


def page_title(**_: str) -> str:
    return tr("Compare · PEFT Atlas")


register_page(__name__, path="/compare", name="Compare", title=page_title)


async def layout(**query: str) -> Any:
    """The page as its address asks for it; figures follow when the browser has said its colours and width."""
    question = ComparedQuestion.from_query(query)
    try:
        found = await client().compare_studies(**question.asked())
    except ApiProblem as problem:
        return error(tr("The studies could not be compared"), problem.detail)
    if len(found.studies) < LEAST_STUDIES and not question.approved:
        return too_few(found)
    shown = panels(found, approved_only=bool(question.approved))
    answer = html.Span(texts(found)["compare-answer"], id="compare-answer")
    return html.Div([*stores(found), page_head(tr("Compare"), answer), *shown], className="compare")


TEXTS = (
    *("compare-answer", "compare-matrix", "compare-missing", "compare-left-out"),
    *("compare-pair-sentence", "compare-pair-note", "compare-pair-table"),
    *("compare-ranking-sentence", "compare-ranking-note", "compare-ranking-table"),
)


@reading(
    *[Output(name, "children") for name in TEXTS],
    *[Output(f"compare-{figure}", "style") for figure in FIGURES],
    Output("compare-found", "data"),
    Output("compare-address", "data"),
    Output("compare-csv", "href"),
    Output("compare-studies", "data"),
    Output("compare-studies", "value"),
    Output("compare-methods", "data"),
    Output("compare-methods", "value"),
    Output("compare-a", "data"),
    Output("compare-a", "value"),
    Output("compare-b", "data"),
    Output("compare-b", "value"),
    Input("compare-kind", "value"),
    Input("compare-studies", "value"),
    Input("compare-methods", "value"),
    Input("compare-a", "value"),
    Input("compare-b", "value"),
    Input("compare-approved", "checked"),
    prevent_initial_call=True,
)
async def choose(
    kind: str, studies: list[str], methods: list[str], a: str | None, b: str | None, approved: bool
) -> Any:
    """The page as the fields ask for it. Another kind of task has other studies."""
    only = "true" if approved else None
    asked = ComparedQuestion(kind, ",".join(studies), ",".join(methods), a, b, only)
    if ctx.triggered_id in ("compare-kind", "compare-approved"):
        asked = ComparedQuestion(kind, approved=only)
    try:
        found = await client().compare_studies(**asked.asked())
    except ApiProblem as problem:
        shown = error(tr("The studies could not be compared"), problem.detail)
        return [shown, *[no_update] * (len(TEXTS) + len(FIGURES) + 10)]
    words, heights, methods_known = texts(found), room(found), method_options(found)
    pair = (found.pair.a, found.pair.b) if found.pair else (a, b)
    return [
        *[words[name] for name in TEXTS],
        *[heights[figure] for figure in FIGURES],
        found.model_dump(mode="json"),
        address_of(found, asked),
        csv_address(found),
        study_options(found),
        [str(study) for study in found.chosen],
        methods_known,
        found.chosen_methods,
        methods_known,
        pair[0],
        methods_known,
        pair[1],
    ]


@reading(
    *[Output(f"compare-{figure}", "children") for figure in FIGURES],
    Input("compare-found", "data"),
    Input("scheme-now", "data"),
    Input("narrow-now", "data"),
)
def draw(document: Any, scheme: str | None, narrow: bool | None) -> Any:
    """The figures, once the browser has said its colours and width."""
    if scheme is None or narrow is None or document is None:
        return [no_update] * len(FIGURES)
    figures = drawn(StudiesCompared.model_validate(document), palette(scheme), narrow=narrow)
    return [figures[name] for name in FIGURES]


keep_in_address()
