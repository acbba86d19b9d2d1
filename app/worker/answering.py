"""Claiming interactive jobs, having them done beside the runs, and recording their answers."""

import logging

from sqlalchemy import Engine

from app.db.session import system_session
from app.errors import AtlasError
from app.logs import about
from app.services import jobs
from app.services.jobs import ClaimedJob
from app.services.store import keep
from app.settings import Settings
from app.worker.executors.executor import Share
from app.worker.interactive import Done, Interactive

logger = logging.getLogger(__name__)

TOLD_NOTHING = "The job ended and said nothing. The worker's log has the details."


class Answering:
    """One job at a time on the worker's device."""

    def __init__(self, engine: Engine, settings: Settings, share: Share) -> None:
        self._engine, self._store = engine, settings.store_folder
        self._interactive = Interactive(self._store, share)
        self._done: Done | None = None
        """What is not recorded yet: a database that is away is asked again."""

    @property
    def busy(self) -> bool:
        """Whether a job is being done: nothing may be measured meanwhile."""
        return self._interactive.busy

    def serve(self, worker_id: int, *, probing: bool) -> None:
        """Record what was done and begin what waits. A cost probe has the device alone and is waited for."""
        self._done = self._done or self._interactive.poll()
        if self._done is not None:
            self._conclude(self._done)
            self._done = None
        if self.busy or probing:
            return
        job = self._claim(worker_id)
        if job is not None:
            logger.info("job %s: %s", job.id, job.kind, extra=about("job_claimed", job.run_id))
            self._begin(job)

    def stop(self) -> None:
        """Whoever waits asks again, and another worker answers."""
        job = self._interactive.end()
        if job is not None:
            self._fail(job, "Its worker was stopped. Ask again.")

    def _claim(self, worker_id: int) -> ClaimedJob | None:
        with system_session(self._engine) as session:
            if not jobs.any_waiting(session):
                return None
        with system_session(self._engine) as session:
            return jobs.claim_next_job(session, worker_id)

    def _begin(self, job: ClaimedJob) -> None:
        try:
            self._interactive.begin(job)
        except (AtlasError, OSError, EOFError) as error:
            logger.warning("job %s could not be begun: %s", job.id, error, extra=about("job_not_begun", job.run_id))
            self._interactive.end()
            self._fail(job, f"It could not be begun ({error}). Ask again; the worker's log has the details.")

    def _conclude(self, done: Done) -> None:
        if done.result is not None:
            keep(self._store, done.folder, done.files)
            with system_session(self._engine) as session:
                jobs.finish_job(session, done.job, done.result, done.files)
        else:
            self._fail(done.job, done.reason or TOLD_NOTHING)
        self._interactive.forget(done)

    def _fail(self, job: ClaimedJob, reason: str) -> None:
        with system_session(self._engine) as session:
            jobs.fail_job(session, job, reason)
