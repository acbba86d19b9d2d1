"""The frame around every page, and the dashboard's place on the API's own server."""

import importlib
import pkgutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, callback, clientside_callback, dcc, html
from fastapi import FastAPI

from app.client import ApiProblem
from app.ui import figure_files, live, session
from app.ui.session import client
from app.ui.theme import css_variables

__all__ = ["attach", "client"]

STATIC = Path(__file__).resolve().parents[2] / "static"
NAVIGATION = (
    ("Overview", "/", "overview"),
    ("New study", "/studies/new", "plus"),
    ("Queue", "/runs", "queue"),
    ("Studies", "/studies", "studies"),
    ("Recommend", "/recommend", "star"),
)
REFRESH_MILLISECONDS = 3_000
ACCENT = ["#effaf7", "#e0efec", "#bfe0da", "#98cfc6", "#72bbaf", "#4ba297", "#0f7f78", "#0b6b66", "#07534f", "#043a37"]
GRAYS = ["#f6f7f5", "#eef0ee", "#e5e9e6", "#dde2de", "#b9c2bd", "#8d9894", "#6b7975", "#53625f", "#2f3d3a", "#15211f"]
DARKS = ["#e7edeb", "#c4cecb", "#a0afab", "#74837f", "#465551", "#2a3533", "#1d2625", "#161e1d", "#0e1413", "#090d0c"]


def attach(app: FastAPI) -> Dash:
    """Serve the dashboard at every path that the API does not take.

    Websocket callbacks keep a slow callback from blocking the API's event loop. Pages are the files of `pages/`.
    """
    session.serve_from(app)
    live.serve(app)
    _choose_colours_first()
    dashboard = Dash(
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
    dashboard.index_string = dashboard.index_string.replace(
        "{%css%}", f"{{%css%}}<style>{css_variables()}</style>"
    ).replace("<html>", '<html lang="en">')
    _register_pages()
    dashboard.layout = _frame
    _register_shell_callbacks()
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
            figure_files.listening(),
            dcc.Interval(id="shell-tick", interval=REFRESH_MILLISECONDS),
            html.A("Skip to the page", href="#page", className="skip-link"),
            html.Div([_navigation(), html.Main(dash.page_container, id="page", tabIndex="-1")], className="shell"),
        ],
    )


def _navigation() -> html.Header:
    links = [
        dcc.Link(
            [html.Span(className=f"icon icon-{icon}", **{"aria-hidden": "true"}), html.Span(title), _badge(path)],
            href=path,
            className="nav-link",
            id={"type": "nav", "path": path},
        )
        for title, path, icon in NAVIGATION
    ]
    brand = dcc.Link(
        [html.Span(className="icon icon-brand", **{"aria-hidden": "true"}), "PEFT Atlas"], href="/", className="brand"
    )
    toggle = dmc.ColorSchemeToggle(
        id="scheme",
        lightIcon=html.Span(className="icon icon-sun"),
        darkIcon=html.Span(className="icon icon-moon"),
        variant="default",
        size="md",
        **{"aria-label": "Light or dark"},
    )
    menu = html.Button(
        html.Span(className="icon icon-menu", **{"aria-hidden": "true"}),
        id="menu",
        className="menu-button",
        type="button",
        **{"aria-label": "Menu", "aria-expanded": "false", "aria-controls": "navigation"},
    )
    foot = html.Div([html.Div(id="worker-line", className="worker-line", role="status"), toggle], className="nav-foot")
    nav = html.Nav([html.Div(links, className="nav-links"), foot], id="navigation", **{"aria-label": "Pages"})
    return html.Header([html.Div([brand, menu], className="nav-head"), nav], className="nav", id="nav")


def _badge(path: str) -> html.Span:
    return html.Span(id="queue-badge", className="nav-badge") if path == "/runs" else html.Span()


def _register_shell_callbacks() -> None:
    """Declared at each attach, for Dash hands declared callbacks to the first application it serves."""
    _register_worker_line()
    _register_current_page()
    _register_menu()
    _register_scheme()
    figure_files.register()


def _register_worker_line() -> None:
    @callback(
        Output("worker-line", "children"),
        Output("worker-line", "className"),
        Output("queue-badge", "children"),
        Input("shell-tick", "n_intervals"),
        Input("address", "pathname"),
    )
    async def worker_line(_ticks: int | None, _path: str) -> tuple[str, str, str]:
        try:
            workers = [worker for worker in await client().devices() if worker.alive]
            active = await client().runs(status="queued,running", limit=100)
        except ApiProblem as problem:
            return problem.title, "worker-line worker-bad", ""
        waiting = f"{len(active.items)}{'+' if active.next_cursor else ''}" if active.items else ""
        if not workers:
            return "no worker", "worker-line worker-bad", waiting
        busy = "busy" if any(worker.run_id for worker in workers) else "idle"
        several = "worker" if len(workers) == 1 else "workers"
        return f"{len(workers)} {several} · {workers[0].device} · {busy}", f"worker-line worker-{busy}", waiting


def _register_current_page() -> None:
    clientside_callback(
        """function(path) {
            let best = '';
            const links = Array.from(document.querySelectorAll('.nav-link'));
            for (const link of links) {
                const here = link.getAttribute('href');
                const inside = path === here || (here !== '/' && path.startsWith(here + '/'));
                if (inside && here.length > best.length) best = here;
            }
            for (const link of links) {
                if (link.getAttribute('href') === best) link.setAttribute('aria-current', 'page');
                else link.removeAttribute('aria-current');
            }
            const nav = document.getElementById('nav');
            if (nav) nav.classList.remove('nav-open');
            return window.dash_clientside.no_update;
        }""",
        Output("nav", "id"),
        Input("address", "pathname"),
    )


def _register_menu() -> None:
    clientside_callback(
        """function(clicks) {
            if (!clicks) return window.dash_clientside.no_update;
            const open = document.getElementById('nav').classList.toggle('nav-open');
            document.getElementById('menu').setAttribute('aria-expanded', String(open));
            return window.dash_clientside.no_update;
        }""",
        Output("menu", "id"),
        Input("menu", "n_clicks"),
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
