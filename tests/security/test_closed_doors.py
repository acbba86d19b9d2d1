"""S2: over the network, nobody unknown gets anything from any route, callback, websocket or file but the few open
ones."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.api.door import OPEN_FILES
from app.api.policies import policies_of, routes
from app.main import create_app
from app.settings import Settings
from tests.app.api.test_policies import OPEN
from tests.dependencies import ROOT
from tests.security.installation import Installation
from tests.security.raw import exchange, head

ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFUSED = frozenset({303, 401, 403})
VALUES = {"package_name": "dash", "fingerprinted_path": "dash-renderer/build/dash_renderer.min.js", "path": "nowhere"}
"""What stands for a part of a path; an id is 1, which there is."""


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The same program in this process, to be asked for its routes."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("home")))
    yield app
    app.state.engine.dispose()


def concrete(path: str) -> str:
    for name, value in VALUES.items():
        path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
    return "/".join("1" if part.startswith("{") else part for part in path.split("/"))


def test_every_closed_route_refuses_whoever_is_unknown(installed: Installation, application: FastAPI) -> None:
    closed = {concrete(str(route.path)) for route in routes(application) if policies_of(route) != {"anyone"}}
    assert len(closed) > 80
    with installed.client() as anybody:
        answered = {
            (method, path): anybody.request(method, path).status_code
            for method, path in itertools.product(ALL_METHODS, sorted(closed - set(OPEN) - set(OPEN_FILES)))
        }
    print(f"{len(answered)} requests of nobody")
    assert {what: status for what, status in answered.items() if status not in REFUSED} == {}


def test_nobody_gets_a_callback_answered(installed: Installation) -> None:
    with installed.client("viewer") as viewer:
        callbacks = viewer.get("/_dash-dependencies").json()
    outputs = [one["output"] for one in callbacks if not one.get("clientside_function")]
    assert len(outputs) > 50
    with installed.client() as anybody:
        for output in outputs:
            body = {"output": output, "outputs": [], "inputs": [], "changedPropIds": []}
            assert anybody.post("/_dash-update-component", json=body).status_code == 401, output


def test_only_the_doors_own_files_are_open(installed: Installation) -> None:
    files = [f"/assets/{file.relative_to(ROOT / 'static')}" for file in (ROOT / "static").rglob("*") if file.is_file()]
    assert len(files) > 10
    with installed.client() as anybody:
        read = {file for file in files if anybody.get(file).status_code == 200}
        assert anybody.get("/api/docs/files/swagger-ui.css").status_code == 401
    assert read == set(OPEN_FILES) & set(files)


@pytest.mark.parametrize(
    "target",
    [
        *("//api/v1/studies", "/./api/v1/studies", "/login/../api/v1/studies", "/login/%2e%2e/api/v1/studies"),
        *("/api/v1/healthz/../studies", "/api/v1/healthz/%2e%2e/studies", "/api/v1/healthz%2f..%2fstudies"),
        *("/api/v1/healthz/", "/api/v1/healthz%00", "/api/v1/healthz;/studies", "/api/v1/studies?/login"),
        *("/api/v1/studies#/login", "/API/V1/STUDIES", "/login%0a", "/login/", "/%6cogin/../_dash-layout"),
        *("/assets/door.css/../live.js", "/assets/door.css%2f..%2flive.js", "/assets/door.cssx", "/assets//door.css"),
        *("/assets/door.css%0a", "/_dash-layout/", "/_dash-component-suites/dash/../../api/v1/studies"),
    ],
)
def test_no_spelling_of_a_path_opens_what_is_closed(installed: Installation, target: str) -> None:
    for accept in ("text/html", "*/*"):
        answer = exchange(installed.address, head("GET", target, [("host", installed.address), ("accept", accept)]))
        assert answer.status in {*REFUSED, 307, 400, 404}, answer.text[:300]
        assert "Quickstart" not in answer.text


@pytest.mark.parametrize(
    "credentials",
    [
        *("Bearer", "Bearer ", "Bearer null", "Bearer undefined", "Bearer pa_", "Basic cm9vdDpyb290", "bearer\tpa_x"),
        *("Bearer " + "x" * 60_000, "Bearer pa_\u00ff\u00fe", "Bearer ' OR 1=1 --", "Bearer pa_%"),
    ],
)
def test_no_made_up_token_is_taken(installed: Installation, credentials: str) -> None:
    asked = [("host", installed.address), ("authorization", credentials)]
    assert exchange(installed.address, head("GET", "/api/v1/studies", asked)).status in (400, 401, 431)


@pytest.mark.parametrize("value", ["", "x", "x" * 3_000, '"\\073"', "%00", "' OR 1=1 --", "\u00ff", "a=b; c=d"])
def test_no_made_up_cookie_is_taken(installed: Installation, value: str) -> None:
    asked = [("host", installed.address), ("cookie", f"peft_atlas_session={value}; peft_atlas_key_00000000={value}")]
    assert exchange(installed.address, head("GET", "/api/v1/studies", asked)).status == 401


def test_a_token_in_an_address_is_no_token(installed: Installation) -> None:
    token = installed.tokens["root"]
    with installed.client() as anybody:
        for name in ("token", "access_token", "key", "authorization", "api_key"):
            assert anybody.get("/api/v1/studies", params={name: token}).status_code == 401


def test_a_secret_file_of_the_home_is_nowhere(installed: Installation) -> None:
    home = installed.settings.home_folder
    assert (home / "atlas.sqlite").is_file()
    with installed.client("root") as operator:
        for path in ("/atlas.sqlite", "/assets/../atlas.sqlite", "/api/v1/atlas.sqlite", f"/{Path(home).name}"):
            assert b"SQLite format" not in operator.get(path).content
