"""GET /metrics: what was asked of this application and what stands in its database, in Prometheus' words."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.db.session import system_session
from app.db.tables import ArtifactRow
from app.main import create_app
from app.services import run_queue
from app.services.accounts import first_visit, tokens, users
from app.services.callers import LOCAL, Caller
from app.services.workers import pause_worker
from app.settings import Settings
from tests.databases import on_both_databases
from tests.faults.documents import make_study

pytestmark = pytest.mark.anyio
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def samples(api: httpx.AsyncClient) -> Samples:
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    assert all(family.documentation for family in families)
    return {
        (sample.name.removeprefix("peft_atlas_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


async def test_requests_are_counted_by_the_template_of_their_route(api: httpx.AsyncClient) -> None:
    for run in range(5):
        await api.get(f"/api/v1/runs/{run + 1}?cursor={run}")
    for path in ("/no/page/of/ours", "/no/other/page"):
        await api.get(path)
    await api.request("BREW", "/api/v1/runs")
    found = await samples(api)
    route = "/api/v1/runs/{run_id}"
    assert of(found, "http_requests_total", method="GET", route=route, status="404") == 5
    assert of(found, "http_request_duration_seconds_count", method="GET", route=route) == 5
    assert of(found, "http_request_duration_seconds_bucket", method="GET", route=route, le="+Inf") == 5
    assert of(found, "http_requests_in_progress") == 1  # The one that asks.
    labels = {value for _, of_it in found for name, value in of_it if name in ("route", "method")}
    assert not [label for label in labels if "page/of" in label or "other" in label]
    assert "BREW" not in labels
    assert "OTHER" in labels


@on_both_databases
async def test_what_stands_in_the_database_is_counted(web: FastAPI, api: httpx.AsyncClient, settings: Settings) -> None:
    engine = web.state.engine
    make_study(engine, settings)
    with system_session(engine) as session:
        run_queue.register_worker(session, "a:1", "cpu", {})
        paused = run_queue.register_worker(session, "a:2", "cpu", {})
        gone = run_queue.register_worker(session, "a:3", "cpu", {})
    with system_session(engine) as session:
        run_queue.sign_off(session, gone)
        for path in ("a", "b"):
            session.add(ArtifactRow(team_id=1, run_id=1, path=path, size_bytes=100, sha256="0" * 64))
        session.execute(text("UPDATE runs SET status = 'failed' WHERE id = 1"))
    pause_worker(engine, LOCAL, paused)
    found = await samples(api)
    queued = of(found, "runs", status="queued")
    assert (of(found, "runs", status="failed"), queued, of(found, "queue_length")) == (1, 1, 1)
    assert 0 < of(found, "queue_oldest_age_seconds") < 60
    assert [of(found, "workers", state=state) for state in ("alive", "paused", "gone")] == [2, 1, 1]
    assert (of(found, "store_files"), of(found, "store_bytes")) == (1, 100)
    assert 0 < of(found, "disk_free_bytes", folder="store") <= of(found, "disk_size_bytes", folder="store")
    assert of(found, "database_up") == 1
    assert 0 < of(found, "database_latency_seconds") < 5
    (build,) = [dict(labels) for name, labels in found if name == "build_info"]
    assert build["database"] == engine.dialect.name
    assert build["revision"] == build["newest_revision"]


async def test_applications_of_one_process_count_for_themselves(web: FastAPI, api: httpx.AsyncClient) -> None:
    await api.get("/api/v1/healthz")
    other = create_app(web.state.settings)
    transport = httpx.ASGITransport(app=other)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert not [labels for _, labels in await samples(client) if ("route", "/api/v1/healthz") in labels]
    other.state.engine.dispose()


async def test_openmetrics_is_spoken_where_it_is_asked_for(api: httpx.AsyncClient) -> None:
    answer = await api.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_a_database_that_is_away_is_told_and_nothing_made_up(web: FastAPI, api: httpx.AsyncClient) -> None:
    with web.state.engine.begin() as connection:
        connection.execute(text("ALTER TABLE runs RENAME TO gone"))
    found = await samples(api)
    assert of(found, "database_up") == 0
    assert not [name for name, _ in found if name in ("runs", "queue_length", "store_bytes")]


# -- who may read them ------------------------------------------------------------------------------------------------

PASSWORD = "three old wooden boats"


async def status_with(app: FastAPI, token: str | None) -> int:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/metrics", headers=headers)
    assert (answer.status_code == 200) == ("peft_atlas_runs" in answer.text)
    return answer.status_code


async def test_with_accounts_only_an_operator_reads_them(web: FastAPI) -> None:
    engine = web.state.engine
    found = {}
    for name, operator in (("ada", True), ("bob", False)):
        user = users.add_user(engine, name, PASSWORD, operator=operator, role="admin")
        caller = Caller(team_id=1, user=name, role="admin", operator=operator, user_id=user)
        _, found[name] = tokens.create_token(engine, caller, "scraping", "read", None)
    assert [await status_with(web, token) for token in (found["ada"], found["bob"], "x", None)] == [200, 403, 401, 401]


async def test_without_accounts_the_first_visit_key_opens_them(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"require_key": True}))
    key = first_visit.first_visit_key(settings.home_folder)
    assert [await status_with(app, token) for token in (key, "x", None)] == [200, 401, 401]
    app.state.engine.dispose()


async def test_a_token_of_its_own_opens_them_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("only for measures\n", encoding="utf-8")
    app = create_app(settings.model_copy(update={"metrics_token_file": file}))
    users.add_user(app.state.engine, "ada", PASSWORD, operator=True, role="admin")
    assert [await status_with(app, token) for token in ("only for measures", "", "ü", None)] == [200, 401, 401, 401]
    transport = httpx.ASGITransport(app=app)
    headers = {"authorization": "Bearer only for measures"}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        assert (await client.get("/api/v1/studies")).status_code == 401
    app.state.engine.dispose()
