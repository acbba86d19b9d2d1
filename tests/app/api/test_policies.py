"""Every route declares who may use it, and every callback whether it writes."""

import ast
from pathlib import Path

import dash
import pytest
from dash._callback import GLOBAL_CALLBACK_LIST, GLOBAL_CALLBACK_MAP
from fastapi import FastAPI

from app.api.policies import BEHIND_THE_GATE, policies_of, routes
from app.main import create_app
from app.settings import Settings
from app.ui import policy

UI = Path(policy.__file__).parent
OPEN = {
    "/api/v1/healthz",
    "/api/v1/readyz",
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/login",
    "/logout",
    "/metrics",
    "/invitations/{secret}",
    "/auth/oidc/login",
    "/auth/oidc/callback",
    "/shared/{token}",
    "/published/{slug}",
}
"""What nobody needs to be known for. A path is added here only with a reason that its route's docstring gives."""


def undeclared(app: FastAPI) -> set[str]:
    """Paths without exactly one policy, ours or behind the gate."""
    return {
        str(getattr(route.original_route, "path", route.path))
        for route in routes(app)
        if len(policies_of(route)) != 1
        and (policies_of(route) or getattr(route.original_route, "path", None) not in BEHIND_THE_GATE)
    }


def test_every_route_declares_one_policy(web: FastAPI) -> None:
    assert undeclared(web) == set()


def test_a_route_without_a_policy_is_found(web: FastAPI) -> None:
    @web.get("/api/v1/forgotten")
    def forgotten() -> None: ...

    @web.websocket("/forgotten-too")
    async def forgotten_too() -> None: ...

    assert undeclared(web) == {"/api/v1/forgotten", "/forgotten-too"}


def test_only_these_paths_are_open_to_anybody(web: FastAPI) -> None:
    assert {route.path for route in routes(web) if policies_of(route) == {"anyone"}} == OPEN


def test_reading_needs_no_more_than_a_viewer_and_nobody_below_a_member_writes(web: FastAPI) -> None:
    without_effect = {"estimates", "recommendations", "lookups", "guide", "study-documents", "auth", "tokens"}
    for route in routes(web):
        who = policies_of(route)
        if who and route.path and route.path.startswith("/api/v1/") and "anyone" not in who:
            writes = bool((route.methods or set()) - {"GET", "HEAD"})
            if writes and route.path.split("/")[3] not in without_effect:
                assert who <= {"member", "admin", "operator"}, route.path


def callbacks_of_the_server() -> int:
    return sum(not one.get("clientside_function") for one in GLOBAL_CALLBACK_LIST)


def test_every_callback_of_the_server_declares_whether_it_writes(settings: Settings) -> None:
    declared, there = len(policy.declared), callbacks_of_the_server()
    app = create_app(settings)
    app.state.engine.dispose()
    new = policy.declared[declared:]
    assert len(new) == callbacks_of_the_server() - there
    assert {kind for _, kind in new} == {"reading", "writing"}


def test_a_callback_without_a_declaration_is_found() -> None:
    declared, there = len(policy.declared), callbacks_of_the_server()
    dash.callback(dash.Output("forgotten", "children"), dash.Input("forgotten", "id"))(lambda value: value)
    GLOBAL_CALLBACK_MAP.popitem()
    assert (len(policy.declared) - declared, callbacks_of_the_server() - there) == (0, 1)
    GLOBAL_CALLBACK_LIST.pop()


@pytest.mark.parametrize("file", sorted(UI.rglob("*.py")), ids=lambda file: str(file.relative_to(UI)))
def test_no_page_calls_dashs_own_callback(file: Path) -> None:
    if file.name == "policy.py":
        return
    names = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    imported = [
        a.name for node in names if isinstance(node, ast.ImportFrom) and node.module == "dash" for a in node.names
    ]
    called = [node.attr for node in names if isinstance(node, ast.Attribute) and node.attr == "callback"]
    assert "callback" not in imported
    assert not called
