"""Which route answered, for logs and measures: its template, never the address, which may hold what gives access."""

from starlette.types import Scope

PAGE = "(page)"
"""Of what the dashboard answered, or nothing."""


def route_of(scope: Scope) -> str:
    """The template of the route that answered, such as /api/v1/runs/{run_id}."""
    # The framework's own word for a route with the prefix that its router was included under.
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return str(getattr(found, "path", PAGE))
