"""The log of a run: its newest lines, older ones page by page, searched, copied and downloaded."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, clientside_callback, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import LogLine, Page
from app.ui.elements import panel
from app.ui.policy import reading
from app.ui.run.copying import copy_button
from app.ui.session import client
from app.ui.states import error

NEWEST = 2**62
"""Before this line stands the end of every log."""

# Scrolled to its end, the log follows what is written; scrolled up, it stays where it is read.
FOLLOW = """(_lines, id) => {
    const box = document.getElementById(id);
    if (!box) return window.dash_clientside.no_update;
    const state = box.dataset;
    if (state.listening === undefined) {
        state.listening = 'yes'; state.follows = 'yes';
        box.addEventListener('scroll', () => {
            state.follows = box.scrollHeight - box.scrollTop - box.clientHeight < 24 ? 'yes' : 'no';
        });
    }
    requestAnimationFrame(() => { if (state.follows === 'yes') box.scrollTop = box.scrollHeight; });
    return window.dash_clientside.no_update;
}"""


def log_panel(run_id: int, page: Page[LogLine]) -> html.Section:
    """The panel with the newest lines."""
    search = dmc.TextInput(
        id="run-log-search",
        debounce=400,
        size="xs",
        placeholder=tr("Search"),
        className="run-log-search",
        attributes={"input": {"aria-label": tr("Lines that contain"), "type": "search", "maxLength": "200"}},
    )
    copy = copy_button("run-log")
    download = html.A(tr("Download"), href=f"/api/v1/runs/{run_id}/log.txt", className="button button-plain")
    older = html.Button(tr("Older lines"), id="run-log-older", className="button button-plain", type="button")
    lines = html.Pre(text_of(page.items), id="run-log", className="log", tabIndex="0", **{"aria-label": tr("Log")})
    return panel(
        tr("Log"),
        [
            dcc.Store(id="run-log-from", data=page.next_cursor),
            dcc.Store(id="run-log-to", data=page.items[-1].id if page.items else 0),
            html.Div(older, id="run-log-older-room", hidden=page.next_cursor is None),
            html.Div(id="run-log-problem"),
            lines,
        ],
        html.Div([search, copy, download], className="row-of"),
        "run-log-panel",
    )


def text_of(lines: list[LogLine]) -> str:
    """Each with its time of day, in UTC."""
    return "".join(f"{line.at:%H:%M:%S}  {line.message}\n" for line in lines) or tr("No line yet.")


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("run-log", "children"),
        Output("run-log-from", "data"),
        Output("run-log-to", "data"),
        Output("run-log-older-room", "hidden"),
        Output("run-log-problem", "children"),
        Input("run-log-newest", "data"),
        Input("run-log-search", "value"),
        Input("run-log-older", "n_clicks"),
        State("run-log", "children"),
        State("run-log-from", "data"),
        State("run-log-to", "data"),
        State("run-id", "data"),
        prevent_initial_call=True,
    )(read_lines)
    clientside_callback(FOLLOW, Output("run-log", "id"), Input("run-log", "children"), State("run-log", "id"))


async def read_lines(
    newest: int, search: str | None, _older: int | None, shown: str, first: str | None, last: int, run_id: int
) -> Any:
    """What was asked for: lines that are new, those that were searched for, or older ones above those shown."""
    api = client()
    try:
        if ctx.triggered_id == "run-log-older" and first is not None:
            page = await api.log(run_id, before=int(first), query=search or None)
            return text_of(page.items) + shown, page.next_cursor, last, page.next_cursor is None, None
        if ctx.triggered_id == "run-log-newest" and not search and last:
            return await _newer(run_id, newest, shown, last)
        page = await api.log(run_id, before=NEWEST, query=search or None)
    except ApiProblem as problem:
        return [no_update] * 4 + [error(tr("The log could not be read"), problem.detail)]
    told = text_of(page.items) if page.items or not search else tr("No line contains “{words}”.", words=search)
    return told, page.next_cursor, page.items[-1].id if page.items else 0, page.next_cursor is None, None


async def _newer(run_id: int, newest: int, shown: str, last: int) -> Any:
    if newest <= last:
        return [no_update] * 5
    page = await client().log(run_id, after=last)
    return shown + text_of(page.items), no_update, page.items[-1].id if page.items else last, no_update, None
