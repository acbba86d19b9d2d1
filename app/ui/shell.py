"""The frame around every page, and the dashboard's place on the API's own server."""

import importlib
import json
import pkgutil
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dash
import dash_mantine_components as dmc
import plotly
from dash import Dash, Input, Output, State, clientside_callback, dcc, html
from dash.fingerprint import build_fingerprint
from fastapi import FastAPI

from app.client import ApiProblem, AtlasClient
from app.language import language, tr, trn
from app.schemas import SessionView
from app.ui import figure_files, live, navigation, session, study_ends
from app.ui.policy import reading
from app.ui.session import client
from app.ui.theme import css_variables

__all__ = ["attach", "client"]

STATIC = Path(__file__).resolve().parents[2] / "static"
PLOTLY = "package_data/plotly.min.js"
MOST_RUNS = 500
WEBSOCKET_ADDRESS = re.compile(r'("(?:worker_url|url)":\s*"[^"?]*dash-ws-(?:worker|callback)[^"?]*)"')
"""In the page's configuration: the worker that holds the websocket, and the websocket."""
ACCENT = ["#effaf7", "#e0efec", "#bfe0da", "#98cfc6", "#72bbaf", "#4ba297", "#0f7f78", "#0b6b66", "#07534f", "#043a37"]
GRAYS = ["#f6f7f5", "#eef0ee", "#e5e9e6", "#dde2de", "#b9c2bd", "#8d9894", "#6b7975", "#53625f", "#2f3d3a", "#15211f"]
DARKS = ["#e7edeb", "#c4cecb", "#a0afab", "#74837f", "#465551", "#2a3533", "#1d2625", "#161e1d", "#0e1413", "#090d0c"]


@dataclass(frozen=True)
class FrameNow:
    """What the frame says of the server. studies: id -> name of those with runs waiting or training."""

    workers: int
    device: str
    busy: bool
    runs: int
    more_runs: bool
    studies: dict[str, str]
    session: SessionView


class Dashboard(Dash):  # type: ignore[misc]  # Dash has no types.
    """Dash, whose page is in the reader's language before anything is drawn."""

    def interpolate_index(self, **parts: Any) -> str:
        """Tabs of a browser share the websocket of one worker script: those of another language take another, and it
        says which it speaks. What draws figures is loaded from the first moment on (static/figures.js)."""
        parts["css"] = f'{parts["css"]}<script id="plotly" async src="{_plotly_address()}"></script>'
        page = str(super().interpolate_index(**parts)).replace("<html>", f'<html lang="{language()}">', 1)
        return WEBSOCKET_ADDRESS.sub(rf'\1?language={language()}"', page)

    def inline_scripts(self) -> list[str]:
        """The scripts inside of every page, once it has been asked for: callbacks of the browser, the renderer's start,
        the choice of colours."""
        self.csp_hashes()  # Takes in what was declared last.
        page = "<html><head></head></html>"
        for hook in self._hooks.get_hooks("index"):
            page = hook(page)
        return [*self._inline_scripts, self.renderer, *re.findall(r"<script>(.*?)</script>", page, re.DOTALL)]


@cache
def _plotly_address() -> str:
    """Of plotly.js with its fingerprint, so that a browser keeps it."""
    changed = int((Path(plotly.__file__).parent / PLOTLY).stat().st_mtime)
    return f"/_dash-component-suites/plotly/{build_fingerprint(PLOTLY, plotly.__version__, changed)}"


def attach(app: FastAPI) -> Dashboard:
    """Serve the dashboard at every path that the API does not take.

    Websocket callbacks keep a slow callback from blocking the API's event loop. Pages are the files of `pages/`.
    """
    session.serve_from(app)
    live.serve(app)
    _choose_colours_first()
    dashboard = Dashboard(
        "peft-atlas",
        server=app,
        backend="fastapi",
        serve_locally=True,
        use_pages=True,
        pages_folder="",
        assets_folder=str(STATIC),
        use_async=True,
        websocket_callbacks=True,
        suppress_callback_exceptions=True,
        title="PEFT Atlas",
        update_title=None,
    )
    dashboard.index_string = dashboard.index_string.replace("{%css%}", f"{{%css%}}<style>{css_variables()}</style>")
    _register_pages()
    dashboard.layout = _frame
    _register_shell_callbacks()
    app.add_middleware(session.Visitors)
    return dashboard


@cache
def _choose_colours_first() -> None:
    """The browser knows its colours before anything is drawn. Said once: each time adds the same script to the pages of
    every application of this process."""
    dmc.pre_render_color_scheme()


def _register_pages() -> None:
    """Import every page; again where an earlier application of this process took their callbacks."""
    import app.ui.pages

    dash.page_registry.clear()
    for info in pkgutil.iter_modules(app.ui.pages.__path__, "app.ui.pages."):
        loaded = sys.modules.get(info.name)
        page = importlib.reload(loaded) if loaded else importlib.import_module(info.name)
        dash.page_registry[info.name]["layout"] = page.layout


def _frame() -> Any:
    """Navigation at the left (a drawer on phones), the page beside it."""
    return dmc.MantineProvider(
        defaultColorScheme="auto",
        theme={
            "primaryColor": "atlas",
            "primaryShade": {"light": 7, "dark": 6},
            "colors": {"atlas": ACCENT, "gray": GRAYS, "dark": DARKS},
            "fontFamily": "inherit",
            "defaultRadius": 4,
        },
        children=[
            dcc.Location(id="address", refresh="callback-nav"),
            dcc.Store(id="scheme-now"),
            dcc.Store(id="narrow-now"),
            dcc.Store(id="shell-studies"),
            dcc.Store(id="announcement"),
            live.following("shell"),
            figure_files.listening(),
            html.A(tr("Skip to the page"), href="#page", className="skip-link"),
            html.Div(
                [navigation.navigation(), _page()],
                className="shell",
            ),
        ],
    )


def _page() -> html.Main:
    """Where the page stands. Its skeleton, drawn by the style sheet, says these words when it lasts."""
    words = {"--loading-words": json.dumps(tr("Reading what the page shows …"))}
    return html.Main([*_notices(), dash.page_container], id="page", tabIndex="-1", style=words)


def _notices() -> list[Any]:
    """What is told beside the page: a lost connection, what changes, what has ended."""
    lost = {"data-words": tr("Connection lost, trying again. What you see stays; what changes comes when it is back.")}
    return [
        html.Div(id="connection-line", className="connection-line", role="status", **lost),
        html.Div(id="announced", className="for-ears", role="status"),
        *study_ends.told(),
    ]


def _register_shell_callbacks() -> None:
    """Declared at each attach, for Dash hands declared callbacks to the first application it serves."""
    live.follow("shell", _read)
    _register_frame()
    _register_announcement()
    _register_scheme()
    navigation.register()
    study_ends.register()
    figure_files.register()


async def _read(api: AtlasClient, _what: str) -> FrameNow:
    workers = [worker for worker in await api.devices() if worker.alive]
    active = await api.runs(status="queued,running", limit=MOST_RUNS)
    return FrameNow(
        workers=len(workers),
        device=workers[0].device if workers else "",
        busy=any(worker.busy for worker in workers),
        runs=len(active.items),
        more_runs=active.next_cursor is not None,
        studies={str(run.study_id): run.study_name for run in active.items},
        session=await api.who_am_i(),
    )


def _register_frame() -> None:
    @reading(
        Output("worker-line", "children"),
        Output("worker-line", "className"),
        Output("queue-badge", "children"),
        Output("shell-studies", "data"),
        Output("studies-ended", "data"),
        Output("announcement", "data"),
        Output("who", "children"),
        Input("shell-live", "data"),
        State("shell-studies", "data"),
        prevent_initial_call=True,
    )
    async def frame(_version: str, before: dict[str, str] | None) -> Any:
        try:
            now: FrameNow = await live.latest("shell")
        except ApiProblem as problem:
            lost = problem.title
            return lost, "worker-line worker-bad", "", dash.no_update, dash.no_update, lost, dash.no_update
        ended = await study_ends.ended(client(), before or {}, now.studies)
        waiting = f"{now.runs}{'+' if now.more_runs else ''}" if now.runs else ""
        state = "worker-bad" if not now.workers else "worker-busy" if now.busy else "worker-idle"
        told = (_workers(now), f"worker-line {state}", waiting, now.studies, ended or dash.no_update, _spoken(now))
        return *told, navigation.who(now.session)


def _workers(now: FrameNow) -> str:
    if not now.workers:
        return tr("no worker")
    state = tr("busy") if now.busy else tr("idle")
    return trn(
        "{count} worker · {device} · {state}",
        "{count} workers · {device} · {state}",
        now.workers,
        device=now.device,
        state=state,
    )


def _spoken(now: FrameNow) -> str:
    """The same for those who listen."""
    return trn(
        "{count} run waits or trains; {workers}",
        "{count} runs wait or train; {workers}",
        now.runs,
        workers=_workers(now),
    )


def _register_announcement() -> None:
    """At most one announcement in ten seconds: the last word of them, and nothing of the first, which is no change."""
    clientside_callback(
        """function(words) {
            const REST_MS = 10000, told = window.atlasTold = window.atlasTold || {words, at: 0, timer: null};
            clearTimeout(told.timer);
            if (!words || words === told.words) return window.dash_clientside.no_update;
            const tell = () => {
                Object.assign(told, {words, at: Date.now()});
                window.dash_clientside.set_props('announced', {children: words});
            };
            told.timer = setTimeout(tell, Math.max(0, told.at + REST_MS - Date.now()));
            return window.dash_clientside.no_update;
        }""",
        Output("announced", "id"),
        Input("announcement", "data"),
        prevent_initial_call=True,
    )


def _register_scheme() -> None:
    """What figures need to know of the browser: the theme and whether it is narrow. Watched, for Mantine's own
    computed scheme says light on a dark machine's first load."""
    clientside_callback(
        """(id) => {
            const root = document.documentElement;
            const read = () => root.getAttribute('data-mantine-color-scheme') || 'light';
            new MutationObserver(() => dash_clientside.set_props('scheme-now', {data: read()}))
                .observe(root, {attributeFilter: ['data-mantine-color-scheme']});
            return read();
        }""",
        Output("scheme-now", "data"),
        Input("scheme-now", "id"),
    )
    clientside_callback(
        """(id) => {
            const narrow = window.matchMedia('(max-width: 760px)');
            narrow.addEventListener('change', event => dash_clientside.set_props('narrow-now', {data: event.matches}));
            return narrow.matches;
        }""",
        Output("narrow-now", "data"),
        Input("narrow-now", "id"),
    )
