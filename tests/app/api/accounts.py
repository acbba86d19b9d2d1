"""An application with people in it, and each of them as a client."""

from functools import cache

import httpx
from fastapi import FastAPI

from app.db.session import system_session
from app.services.accounts import users
from app.services.accounts.passwords import hashed
from app.services.callers import Role

PASSWORD = "three old wooden boats"
ORIGIN = {"origin": "http://localhost"}


@cache
def _kept() -> str:
    """Hashed once for all tests, for it takes a while on purpose."""
    return hashed(PASSWORD)


def with_people(app: FastAPI) -> FastAPI:
    """An operator who administers the team, a member and a viewer."""
    people: tuple[tuple[str, Role], ...] = (("ada", "admin"), ("max", "member"), ("vera", "viewer"))
    with system_session(app.state.engine) as session:
        for name, role in people:
            user = users.new_user(session, name, operator=role == "admin")
            user.password_hash = _kept()
            users.join(session, user.id, 1, role)
    return app


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    """Nobody yet, with the Origin that a page of this server sends."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=ORIGIN | headers)


async def logged_in(app: FastAPI, name: str, password: str = PASSWORD) -> httpx.AsyncClient:
    """Somebody's browser. The caller closes it."""
    client = client_of(app)
    answer = await client.post("/api/v1/auth/login", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return client
