"""GET /metrics: what Prometheus asks for. Every application counts for itself; nothing is global.

Counters of requests are this process's own, since it started. What stands in the database is counted when it is asked
for, so that every web process of an installation says the same.
"""

import hmac
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from app.api.context import AsAnyone, OpenContext
from app.db.migrate import present_revision
from app.errors import Forbidden, Unauthenticated
from app.services.accounts.identify import Credentials, identify
from app.services.disk import nearest_existing
from app.services.installation_counts import InstallationCounts, count_installation
from app.settings import Settings

router = APIRouter(tags=["health"])

PREFIX = "peft_atlas"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@router.get("/metrics", include_in_schema=False)
def metrics(here: AsAnyone, request: Request) -> Response:
    """The measures of this process and of the installation, in Prometheus' text format or as OpenMetrics.

    For an operator, and for whoever has the token of the settings, which needs no database to be known.
    """
    _check_reader(here, request.state.credentials, request.state.key)
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    registry: CollectorRegistry = request.app.state.metrics.registry
    return Response(encode(registry), media_type=media_type)


def _check_reader(here: OpenContext, credentials: Credentials, key: str | None) -> None:
    token = here.settings.metrics_token
    given = (credentials.bearer or "").encode("utf-8", "surrogatepass")
    if token and hmac.compare_digest(token.encode(), given):
        return
    identity = identify(here.engine, key, credentials)
    if identity is None:
        raise Unauthenticated("Send the token of PEFT_ATLAS_METRICS_TOKEN_FILE, or an operator's, as a Bearer token.")
    if not identity.caller.operator:
        raise Forbidden("Only an operator of this installation may read its metrics.")


class Metrics:
    """One application's measures."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            f"{PREFIX}_http_requests",
            "Requests answered; status 499: the client went away.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}_http_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._in_progress = Gauge(
            f"{PREFIX}_http_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        self._websockets = Gauge(f"{PREFIX}_websockets_open", "Open websockets.", registry=self.registry)
        ProcessCollector(namespace=PREFIX, registry=self.registry)
        self.registry.register(Installation(engine, settings))

    def request_in_progress(self) -> AbstractContextManager[None]:
        return self._in_progress.track_inprogress()

    def open_websocket(self) -> AbstractContextManager[None]:
        return self._websockets.track_inprogress()

    def request_answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is a template; a method that no route has counts as OTHER, so that nobody can make up labels."""
        known = method if method in METHODS else "OTHER"
        self._requests.labels(known, route, status).inc()
        self._seconds.labels(known, route).observe(seconds)


class Installation(Collector):
    """What the database and the disks say when they are asked."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def collect(self) -> Iterator[Metric]:
        yield from self._disks()
        yield from self._database()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask the database."""
        return ()

    def _disks(self) -> Iterator[Metric]:
        free = GaugeMetricFamily(f"{PREFIX}_disk_free_bytes", "Room left on the disk of a folder.", labels=("folder",))
        size = GaugeMetricFamily(f"{PREFIX}_disk_size_bytes", "Size of the disk of a folder.", labels=("folder",))
        for name, folder in (("home", self._settings.home_folder), ("store", self._settings.store_folder)):
            disk = shutil.disk_usage(nearest_existing(folder))
            free.add_metric((name,), disk.free)
            size.add_metric((name,), disk.total)
        yield from (free, size)

    def _database(self) -> Iterator[Metric]:
        """Nothing but that it is down where it does not answer: the rest is not known then."""
        try:
            seconds = self._seconds_to_answer()
            present, newest = present_revision(self._engine)
            counts = count_installation(self._engine)
        except (DBAPIError, NoConnectionFree):
            yield _gauge("database_up", "1 where the database answers.", 0)
            return
        yield _gauge("database_up", "1 where the database answers.", 1)
        yield _gauge("database_latency_seconds", "What the shortest question to the database takes.", seconds)
        yield InfoMetricFamily(
            f"{PREFIX}_build",
            "What runs here.",
            {
                "version": version("peft-atlas"),
                "database": self._engine.dialect.name,
                "revision": present or "",
                "newest_revision": newest,
            },
        )
        yield from _of(counts)

    def _seconds_to_answer(self) -> float:
        with self._engine.connect() as connection:
            began = time.perf_counter()
            connection.execute(text("SELECT 1"))
            return time.perf_counter() - began


def _of(counts: InstallationCounts) -> Iterator[Metric]:
    yield _by("runs", "Runs that are there, by status.", "status", counts.runs)
    yield _by("run_attempts", "Attempts at runs that are there, by outcome.", "outcome", counts.attempts)
    yield _by("workers", "Workers: alive, paused among them, and gone in the last day.", "state", counts.workers)
    yield _gauge("queue_length", "Runs waiting.", counts.runs["queued"])
    yield _gauge("queue_oldest_age_seconds", "How long the oldest waiting run waits.", counts.oldest_queued_seconds)
    yield _gauge("store_files", "Files that the store keeps.", counts.store_files)
    yield _gauge("store_bytes", "Size of the files that the store keeps.", counts.store_bytes)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value=value)


def _by(name: str, meaning: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", meaning, labels=(label,))
    for word, count in values.items():
        family.add_metric((word,), count)
    return family
