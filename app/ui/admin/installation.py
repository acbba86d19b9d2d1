"""The panel of the system."""

from typing import Any

from dash import html

from app.language import tr
from app.schemas import SystemView
from app.ui.elements import facts


def system_panel(found: SystemView, problem: str | None) -> html.Section:
    """Versions, database and settings; problem: what keeps it from its work, in the API's own sentence."""
    ready = html.Span([html.Span(className="icon icon-check", **{"aria-hidden": "true"}), tr("ready")], className="tag")
    not_ready = html.Span(tr("not ready"), className="tag tag-bad")
    parts = [
        html.Div([html.H2(tr("System")), not_ready if problem else ready], className="panel-head"),
        *([html.Div(problem, className="note note-bad", role="alert")] if problem else []),
        facts(_versions(found)),
        html.H3(tr("Settings")),
        _settings(found),
    ]
    return html.Section(parts, className="panel", id="system")


def _versions(found: SystemView) -> dict[str, Any]:
    current = tr("newest") if found.revision == found.newest_revision else tr("run peft-atlas migrate")
    return {
        "PEFT Atlas": found.product_version,
        "Python": found.python_version,
        tr("Database"): f"{found.database} {found.database_version}",
        tr("Revision"): f"{found.revision} ({current})",
    } | {name: known or tr("not installed here") for name, known in found.packages.items()}


def _settings(found: SystemView) -> Any:
    if not found.settings:
        return html.P(tr("Everything is at its default."), className="quiet")
    rows = [html.Div([html.Dt(html.Code(one.variable)), html.Dd(one.value)]) for one in found.settings]
    note = html.P(tr("Set in the environment of the web process; secrets are never shown."), className="quiet")
    return html.Div([html.Dl(rows, className="admin-settings"), note])
