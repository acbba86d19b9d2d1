"""Every route of an application with the policy it declares: what the gate opens to anybody, and what tests look at."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from app.api.context import Policy
from app.api.door import OPEN_FILES

BEHIND_THE_GATE = frozenset(
    {
        *("/api", "/api/{path:path}", "/api/openapi.json", "/api/docs", "/api/docs/files", "/api/docs/openapi.json"),
        *("/", "/{path:path}", "/assets", "/_live", "/_dash-ws-callback", "/_favicon.ico", "/_reload-hash"),
        *("/_dash-layout", "/_dash-dependencies", "/_dash-update-component"),
        "/_dash-component-suites/{package_name}/{fingerprinted_path:path}",
    }
)
"""What Dash and static files are served at, and what is at no other path: for viewers and above, who alone come so far.
What a page's callback may do is declared with it (app/ui/policy.py)."""


def open_paths(app: FastAPI) -> list[re.Pattern[str]]:
    """What nobody needs to be known for: routes that declare it, and the few files that their pages load."""
    declared = [route.path_regex for route in routes(app) if policies_of(route) == {"anyone"}]
    return declared + [re.compile(re.escape(path)) for path in OPEN_FILES]


def routes(app: FastAPI) -> Iterator[RouteContext]:
    """Every route, those of included routers too."""
    return iter_route_contexts(app.routes)


def policies_of(route: RouteContext) -> set[str]:
    """The policies that a route declares: one, or its declaration is wrong; none where it is not ours."""
    if not isinstance(route.original_route, APIRoute):
        return set()
    return {policy.who for policy in _policies(route.dependant)}


def _policies(dependant: Dependant) -> Iterator[Policy]:
    if isinstance(dependant.call, Policy):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _policies(inner)
