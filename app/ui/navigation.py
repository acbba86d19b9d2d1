"""The frame's navigation: the pages, whether a worker is there, the theme and the language."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, clientside_callback, dcc, html

from app.language import COOKIE, LANGUAGES, language, mark, tr
from app.schemas import SessionView
from app.ui import study_ends

PAGES = (
    (mark("Overview"), "/", "overview"),
    (mark("New study"), "/studies/new", "plus"),
    (mark("Queue"), "/runs", "queue"),
    (mark("Studies"), "/studies", "studies"),
    (mark("Recommend"), "/recommend", "star"),
    (mark("Compare"), "/compare", "compare"),
    (mark("Guide"), "/guide", "guide"),
    (mark("Admin"), "/admin", "admin"),
)
YEAR_SECONDS = 31_536_000

CURRENT_PAGE = """function(path) {
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
}"""
MENU = """function(clicks) {
    if (!clicks) return window.dash_clientside.no_update;
    const open = document.getElementById('nav').classList.toggle('nav-open');
    document.getElementById('menu').setAttribute('aria-expanded', String(open));
    return window.dash_clientside.no_update;
}"""
# A new page, for its websocket has spoken the old language since it was opened.
SPEAK = f"""function(clicks) {{
    const chosen = window.dash_clientside.callback_context.triggered_id;
    if (!chosen || !clicks.some(Boolean)) return window.dash_clientside.no_update;
    document.cookie = `{COOKIE}=${{chosen.name}}; path=/; max-age={YEAR_SECONDS}; samesite=lax`;
    window.location.reload();
    return window.dash_clientside.no_update;
}}"""


def navigation() -> html.Header:
    """At the left of every page; a drawer on phones."""
    links = [_page_link(title, path, icon) for title, path, icon in PAGES]
    brand = dcc.Link(
        [html.Span(className="icon icon-brand", **{"aria-hidden": "true"}), "PEFT Atlas"], href="/", className="brand"
    )
    menu = html.Button(
        html.Span(className="icon icon-menu", **{"aria-hidden": "true"}),
        id="menu",
        className="menu-button",
        type="button",
        **{"aria-label": tr("Menu"), "aria-expanded": "false", "aria-controls": "navigation"},
    )
    nav = html.Nav([html.Div(links, className="nav-links"), _foot()], id="navigation", **{"aria-label": tr("Pages")})
    return html.Header([html.Div([brand, menu], className="nav-head"), nav], className="nav", id="nav")


def register() -> None:
    """Declare what the navigation does in the browser; at each attach, as the shell's other callbacks."""
    clientside_callback(CURRENT_PAGE, Output("nav", "id"), Input("address", "pathname"))
    clientside_callback(MENU, Output("menu", "id"), Input("menu", "n_clicks"))
    clientside_callback(SPEAK, Output("languages", "id"), Input({"type": "language", "name": ALL}, "n_clicks"))


def _page_link(title: str, path: str, icon: str) -> dcc.Link:
    badge = html.Span(id="queue-badge", className="nav-badge") if path == "/runs" else html.Span()
    return dcc.Link(
        [html.Span(className=f"icon icon-{icon}", **{"aria-hidden": "true"}), html.Span(tr(title)), badge],
        href=path,
        className="nav-link",
        id={"type": "nav", "path": path},
    )


def _foot() -> html.Div:
    theme = dmc.ColorSchemeToggle(
        id="scheme",
        lightIcon=html.Span(className="icon icon-sun"),
        darkIcon=html.Span(className="icon icon-moon"),
        variant="default",
        size="md",
        **{"aria-label": tr("Light or dark")},
    )
    worker = html.Div(tr("asking the workers"), id="worker-line", className="worker-line worker-asked")
    choices = html.Div([theme, _languages()], className="row-of")
    return html.Div([worker, study_ends.switch(), choices, html.Div(id="who", className="who")], className="nav-foot")


def who(session: SessionView) -> list[Any]:
    """Who is logged in, with the way out. Nobody logs in where nobody has an account.

    By the marks of the name the style sheet leaves out what its reader may not do; the API refuses it in any case.
    """
    if not session.accounts:
        return []
    looks = " who-looks" if session.role == "viewer" else ""
    uses = "" if session.operator else " who-uses"
    out = html.Button(tr("Log out"), type="submit", className="who-out")
    return [
        dcc.Link(session.user, href="/account", className=f"who-name{looks}{uses}", title=tr("Your account")),
        dcc.Link(session.team, href="/team", className="who-team", title=tr("Your team")),
        html.Form(out, action="/logout", method="POST"),
    ]


def _languages() -> Any:
    buttons = [
        html.Button(
            words,
            id={"type": "language", "name": name},
            className="language",
            type="button",
            lang=name,
            **{"aria-pressed": "true" if name == language() else "false"},
        )
        for name, words in LANGUAGES.items()
    ]
    return html.Div(buttons, id="languages", className="languages", role="group", **{"aria-label": tr("Language")})
