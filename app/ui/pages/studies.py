"""Every study, newest first: what was compared on what, how far it is, and what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import dash_mantine_components as dmc
from dash import Input, Output, State, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import filled, tr
from app.schemas import Page, StudyView
from app.ui import live
from app.ui.address import keep_choices
from app.ui.elements import moment, page_head, run_boxes, short_name
from app.ui.policy import reading
from app.ui.sentences import sentence
from app.ui.states import empty, error
from app.ui.study.head import tags

register_page(__name__, path="/studies", name="Studies", title=lambda: tr("Studies · PEFT Atlas"))

CONTROLS = {"q": "studies-search", "tag": "studies-tag"}
ROWS = 50
LONGEST_QUERY = 200


@dataclass(frozen=True)
class Question:
    """Which studies, and from where in their list."""

    q: str = ""
    tag: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Question":
        """From an address or from the page's store."""
        q, tag, cursor = (str(said.get(name) or "")[:LONGEST_QUERY] for name in ("q", "tag", "cursor"))
        return cls(q, tag, cursor if cursor.isascii() and cursor.isdigit() else "")

    def text(self, **changes: str) -> str:
        """The query of the page's address."""
        said = {"q": self.q, "tag": self.tag, "cursor": self.cursor} | changes
        return urlencode({name: value for name, value in said.items() if value})


async def _read(api: AtlasClient, what: str) -> Page[StudyView]:
    asked = Question.of(dict(parse_qsl(what)))
    return await api.studies(q=asked.q or None, tag=asked.tag or None, cursor=asked.cursor or None, limit=ROWS)


live.follow("studies", _read)
keep_choices("studies-asked", "/studies", CONTROLS, {})


async def layout(**query: str) -> html.Div:
    """The whole page at once, as the address says it."""
    asked = Question.of(query)
    now: Page[StudyView] | None = None
    try:
        now = await live.read("studies", asked.text())
        found = _found(now, asked)
    except ApiProblem as problem:
        found = error(tr("The studies could not be read"), problem.detail)
    ways = [
        dcc.Link(tr("Import results"), href="/import", className="button button-plain"),
        dcc.Link(tr("New study"), href="/studies/new", className="button"),
    ]
    return html.Div(
        [
            live.following("studies", asked.text(), now),
            dcc.Store(id="studies-asked", data={"q": asked.q, "tag": asked.tag, "cursor": asked.cursor}),
            page_head(tr("Studies"), tr("Each compares methods on one base model and one task."), ways),
            _filters(asked),
            html.Div(found, id="studies-list", className="studies"),
        ]
    )


def _filters(asked: Question) -> html.Div:
    return html.Div(
        [_field("q", tr("Find by name"), asked.q), _field("tag", tr("With the tag"), asked.tag)],
        className="studies-filters",
        role="search",
    )


def _field(name: str, words: str, value: str) -> dmc.TextInput:
    return dmc.TextInput(
        id=CONTROLS[name],
        value=value,
        placeholder=words,
        debounce=300,
        size="sm",
        attributes={"input": {"aria-label": words, "maxLength": LONGEST_QUERY}},
    )


@reading(
    Output("studies-list", "children"),
    Output("studies-mark", "data-what"),
    Output("studies-mark", "data-seen"),
    Input("studies-live", "data"),
    Input("studies-asked", "data"),
    State("studies-mark", "data-what"),
    prevent_initial_call=True,
)
async def refresh(_version: str, chosen: dict[str, str], followed: str) -> Any:
    """The list as it is now, of what is asked for now."""
    asked = Question.of(chosen)
    try:
        look = live.latest if ctx.triggered_id == "studies-live" else live.read
        now = await look("studies", asked.text())
    except ApiProblem as problem:
        return error(tr("The studies could not be read"), problem.detail), no_update, no_update
    seen = (asked.text(), live.version_of(now)) if asked.text() != followed else (no_update, no_update)
    return _found(now, asked), *seen


def _found(page: Page[StudyView], asked: Question) -> Any:
    if not page.items and (asked.q or asked.tag):
        every = [(tr("All studies"), "/studies")]
        return empty(tr("No such study"), tr("No study's name contains these words and has this tag."), every)
    if not page.items:
        why = tr("Pick methods, a base model and a task; the comparison appears here.")
        ways = [(tr("New study"), "/studies/new"), (tr("Import published results"), "/import")]
        return empty(tr("No study yet"), why, ways)
    return [html.Ul([_entry(study) for study in page.items], className="study-list"), _ways(page, asked)]


def _ways(page: Page[StudyView], asked: Question) -> html.Nav | None:
    """Through a long list."""
    links = []
    if asked.cursor:
        links.append((tr("Newest studies"), asked.text(cursor="")))
    if page.next_cursor:
        links.append((tr("Older studies"), asked.text(cursor=page.next_cursor)))
    buttons = [dcc.Link(words, href=f"/studies?{query}", className="button button-plain") for words, query in links]
    return html.Nav(buttons, className="queue-ways", **{"aria-label": tr("Pages of the list")}) if links else None


def _entry(view: StudyView) -> html.Li:
    document = view.document
    task = document.task if isinstance(document.task, str) else short_name(document.task.dataset)
    base, created = short_name(document.base_model), moment(view.created_at)
    about = filled("{base} on {task} · {created}", base=base, task=task, created=created)
    name = dcc.Link(view.name, href=f"/studies/{view.id}", className="study-link")
    return html.Li(
        [
            html.Div(
                [
                    html.Div([name, *tags(view), *_own_tags(view)], className="study-title"),
                    html.P(sentence(view.finding), className="study-finding", **{"data-region": "evidence"}),
                    html.P(about, className="label"),
                ]
            ),
            run_boxes(view),
        ],
        className="panel study-entry",
    )


def _own_tags(view: StudyView) -> list[dcc.Link]:
    """The tags its team gave it; each leads to all that have it."""
    return [dcc.Link(tag, href=f"/studies?{urlencode({'tag': tag})}", className="tag tag-plain") for tag in view.tags]
