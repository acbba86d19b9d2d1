"""What a team may take of the installation, beside what it takes now."""

from typing import Any

from dash import html

from app.language import tr
from app.schemas import HubTokenView, TeamQuota
from app.ui.elements import facts, moment, panel
from app.ui.numbers import by_formula, show


def limits_panel(quota: TeamQuota, token: HubTokenView | None) -> html.Section:
    """Runs that wait and bytes that are kept; whether the team has a hub token of its own, where no panel tells."""
    runs = show(by_formula(quota.queued_runs, "count", f"queued_runs(team {quota.id})", exact=True))
    kept = show(by_formula(quota.disk_bytes, "bytes", f"disk_bytes(team {quota.id})", exact=True))
    told = {
        tr("Runs that wait"): [runs, " · ", limit(quota.most_queued_runs, "count", quota.id)],
        tr("Kept on the disk"): [kept, " · ", limit(quota.most_disk_bytes, "bytes", quota.id)],
    }
    if token is not None:
        told[tr("Token of the model hub")] = _token(token)
    return panel(tr("Limits"), facts(told))


def limit(most: int | None, quantity: Any, team: int) -> Any:
    """What a team may take at most."""
    if most is None:
        return tr("no limit")
    shown = show(by_formula(most, quantity, f"limit(team {team})", exact=True))
    return html.Span([tr("at most"), " ", shown])


def _token(token: HubTokenView) -> Any:
    if not token.is_set or token.set_at is None:
        return tr("none of its own: the installation's is used")
    return html.Span([tr("set by {user}", user=token.set_by), ", ", moment(token.set_at)])
