"""The worker's heartbeat: every 5 s of a lease of 30, whatever its loop does."""

import logging
import threading
import time
from collections.abc import Sequence

from sqlalchemy import Engine

from app.db.session import system_session
from app.errors import LeaseLost
from app.logs import about
from app.services import run_queue
from app.worker.active import AWAY, AWAY_WORDS, ActiveRun

logger = logging.getLogger(__name__)

BEATS_PER_LEASE = 6


class Heartbeat:
    """A thread that tells that the worker lives, renews the leases of its runs, and rescues the runs of the lost."""

    def __init__(self, engine: Engine, lease_seconds: float, worker_id: int, active: Sequence[ActiveRun]) -> None:
        self._engine, self._lease_seconds, self._worker_id, self._active = engine, lease_seconds, worker_id, active
        self._ended = threading.Event()
        self._rescues_from = 0.0
        self._thread = threading.Thread(target=self._beat_regularly, name="heartbeat")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait for that."""
        self._ended.set()
        self._thread.join()

    def _beat_regularly(self) -> None:
        while not self._ended.wait(self._lease_seconds / BEATS_PER_LEASE):
            try:
                self._beat()
            except AWAY as error:
                # Others could renew as little as this worker: nobody is lost before they have had the time to.
                self._rescues_from = time.monotonic() + self._lease_seconds
                logger.warning(AWAY_WORDS, error.orig, extra=about("database_away"))
            except Exception:
                # The leases of this worker's runs must not end with one beat.
                logger.exception("a heartbeat failed, trying again", extra=about("heartbeat_failed"))

    def _beat(self) -> None:
        with system_session(self._engine) as session:
            run_queue.beat(session, self._worker_id)
        for active in list(self._active):
            self._renew(active)
        if time.monotonic() < self._rescues_from:
            return
        with system_session(self._engine) as session:
            for run_id in run_queue.release_expired_leases(session):
                logger.warning("its worker was lost", extra=about("worker_lost", run_id))

    def _renew(self, active: ActiveRun) -> None:
        try:
            with system_session(self._engine) as session:
                run_queue.renew_lease(session, active.claim.lease, self._lease_seconds)
        except LeaseLost:
            # The loop may have ended the run meanwhile; if it has not, it abandons it.
            active.lost = True
