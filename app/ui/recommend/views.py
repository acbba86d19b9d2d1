"""The three parts of the Recommend page, and the case of each in the page's address."""

from typing import Literal

from dash import ALL, Input, Output, State, clientside_callback, dcc, html

from app.language import mark, tr

View = Literal["study", "guide", "lookup"]

TITLES: dict[View, str] = {
    "study": mark("From a study"),
    "guide": mark("Selection guide"),
    "lookup": mark("Case not measured"),
}
PATH = "/recommend"


def address(view: View, query: str = "") -> str:
    """The address of a part with its case."""
    parts = [part for part in ("" if view == "study" else f"view={view}", query) if part]
    return PATH + ("?" + "&".join(parts) if parts else "")


def view_links(current: View) -> html.Nav:
    """The parts as links; the one that is open is said to be."""
    links = [_link(view, tr(title), current) for view, title in TITLES.items()]
    return html.Nav(links, className="view-links", **{"aria-label": tr("Parts of Recommend")})


def _link(view: View, title: str, current: View) -> html.Span | dcc.Link:
    if view == current:
        return html.Span(title, className="view-link", **{"aria-current": "page"})
    return dcc.Link(title, href=address(view), className="view-link", id={"type": "recommend-view", "view": view})


def case_store(view: View, query: str | None = None) -> dcc.Store:
    """Where a part puts the query of its case; from there it goes into the address."""
    return dcc.Store(id={"type": "recommend-query", "view": view}, data=query)


def keep_case_in_address() -> None:
    """The address follows the case without a navigation, which would mount the page anew under the person's hand.

    What was asked in a part waits in its link while another is open.
    """
    clientside_callback(
        f"""function(queries, cases, links) {{
            const [query] = queries, at = (view, query) => '{PATH}' + (view === 'study'
                ? (query ? '?' + query : '') : '?view=' + view + (query ? '&' + query : ''));
            const kept = view => window.sessionStorage.getItem('recommend ' + view);
            if (typeof query === 'string' && window.location.pathname === '{PATH}') {{
                window.history.replaceState(null, '', at(cases[0].view, query));
                window.sessionStorage.setItem('recommend ' + cases[0].view, query);
            }}
            return links.map(link => at(link.view, kept(link.view)));
        }}""",
        Output({"type": "recommend-view", "view": ALL}, "href"),
        Input({"type": "recommend-query", "view": ALL}, "data"),
        State({"type": "recommend-query", "view": ALL}, "id"),
        State({"type": "recommend-view", "view": ALL}, "id"),
    )
