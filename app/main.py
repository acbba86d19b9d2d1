"""Builds the one ASGI application: the API at /api/v1, its documentation at /api/docs, the dashboard at /."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.api import (
    administration,
    audit_log,
    auth,
    catalogue,
    chapter,
    comparisons,
    custom_scenarios,
    datasets,
    door,
    estimates,
    evidence,
    health,
    hub_token,
    imports,
    invitations,
    joining,
    limits,
    lookups,
    metrics,
    oidc,
    openapi,
    own_account,
    problems,
    recommendations,
    reviews,
    runs,
    selection_guide,
    sharing,
    studies,
    teams,
    templates,
    tokens,
    users,
    workers,
)
from app.api.gate import Gate, from_inside
from app.api.guard import LARGEST_BODY_BYTES, LARGEST_DATASET_BODY_BYTES, LARGEST_UPLOAD_BYTES, Guard
from app.api.headers import ContentPolicy, inline_scripts
from app.api.in_turn import InTurn
from app.api.languages import Languages
from app.api.metrics import Metrics
from app.api.observed import Observed
from app.api.policies import open_paths
from app.db.migrate import migrate
from app.db.session import make_engine
from app.errors import NotFound
from app.services.accounts.first_visit import first_visit_key
from app.settings import Settings

PREFIX = "/api/v1"
SHOWN_DESCRIPTION = "/api/docs/openapi.json"
ROUTERS = (
    health.router,
    runs.router,
    studies.router,
    auth.router,
    users.router,
    teams.router,
    invitations.router,
    tokens.router,
    audit_log.router,
    catalogue.router,
    workers.router,
    reviews.router,
    evidence.router,
    recommendations.router,
    selection_guide.router,
    comparisons.router,
    administration.router,
    custom_scenarios.router,
    lookups.router,
    estimates.router,
    templates.router,
    chapter.router,
    sharing.router,
    hub_token.router,
    limits.router,
)
"""Those that are asked most come first: each request is matched with one after the other."""


class Application(FastAPI):
    """Observed from outside everything else, so that refusals and faults have their id and are counted too."""

    def build_middleware_stack(self) -> ASGIApp:
        return Observed(super().build_middleware_stack(), self.state.metrics)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on a migrated database. API routes come first, then the dashboard takes every other path."""
    from dash.exceptions import DependencyException

    from app.api.compressed import Compressed
    from app.ui.shell import attach

    settings = settings or Settings()
    migrate(settings.database)
    app = Application(
        title="PEFT Atlas",
        version="1",
        summary="Compare parameter-efficient fine-tuning methods by measuring them.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.engine = make_engine(settings.database)
    app.state.metrics = Metrics(app.state.engine, settings)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX, max_body_size=LARGEST_BODY_BYTES)
    app.include_router(imports.router, prefix=PREFIX, max_body_size=LARGEST_UPLOAD_BYTES)
    app.include_router(datasets.router, prefix=PREFIX, max_body_size=LARGEST_DATASET_BODY_BYTES)
    app.include_router(metrics.router)
    _add_documentation(app)
    app.include_router(_unknown_api_paths())
    app.include_router(door.router)
    app.include_router(joining.router)
    app.include_router(oidc.router)
    app.include_router(own_account.router)
    app.include_router(sharing.pages)
    openapi.complete_description(app)
    app.state.dashboard = attach(app)
    problems.answer_as_absent(app, DependencyException)
    app.state.content_policy = ContentPolicy()
    app.add_middleware(InTurn)
    app.add_middleware(Compressed)
    app.add_middleware(Gate, engine=app.state.engine, key=_key(settings), open_paths=open_paths(app))
    app.add_middleware(Languages)
    app.add_middleware(Guard, hosts=settings.host_names, policy=app.state.content_policy)
    return app


def _key(settings: Settings) -> str | None:
    return first_visit_key(settings.home_folder) if settings.require_key else None


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Dash collects its style sheets at the first request of "/", and a person may come by a deep link.
    transport = httpx.ASGITransport(app=from_inside(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get("/")
    app.state.content_policy.allow([*app.state.dashboard.inline_scripts(), *inline_scripts(_documentation_page())])
    yield
    app.state.engine.dispose()


def _add_documentation(app: FastAPI) -> None:
    """Swagger's page from files of the installation: its default loads them from another host."""
    import swagger_ui_bundle

    folder = Path(swagger_ui_bundle.__file__).parent
    files = next(path.parent for path in sorted(folder.rglob("swagger-ui-bundle.js")))
    app.mount("/api/docs/files", StaticFiles(directory=files), name="swagger")

    @app.get("/api/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(_documentation_page())

    @app.get(SHOWN_DESCRIPTION, include_in_schema=False)
    def shown_description() -> dict[str, Any]:
        # The newest Swagger page that is packaged reads what 3.1 says, and refuses its name.
        return app.openapi() | {"openapi": "3.0.3"}


def _documentation_page() -> str:
    page = get_swagger_ui_html(
        openapi_url=SHOWN_DESCRIPTION,
        title="PEFT Atlas: API",
        swagger_js_url="/api/docs/files/swagger-ui-bundle.js",
        swagger_css_url="/api/docs/files/swagger-ui.css",
        swagger_favicon_url="/api/docs/files/favicon-32x32.png",
    )
    return bytes(page.body).decode()


def _unknown_api_paths() -> APIRouter:
    """Any other path under /api is a JSON 404, or the dashboard would answer it with a page."""
    router = APIRouter(include_in_schema=False)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]

    @router.api_route("/api", methods=methods)
    @router.api_route("/api/{path:path}", methods=methods)
    def nothing_here(path: str = "") -> None:
        raise NotFound(f"There is nothing at /api/{path[:200]}. See /api/docs for what there is.")

    return router
