"""The worker: claims runs, has them executed, and records what they tell."""

import logging
import os
import threading
import time
from dataclasses import dataclass, field

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app.db.session import system_session
from app.errors import AtlasError, LeaseLost
from app.services import jobs, retention, run_queue
from app.services.jobs import ClaimedJob
from app.services.run_queue import ClaimedRun
from app.services.store import drop_scratch, keep
from app.settings import Settings
from app.worker.device import describe_device, worker_name
from app.worker.executors.executor import Executor, Outcome, Running, Share
from app.worker.interactive import Done, Interactive
from peft_core.spec import Event, Log, RunResult

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
BEATS_PER_LEASE = 6
CANCEL_SECONDS = 1.0
RECORD_SECONDS = 0.5
SWEEP_SECONDS = 600.0
TOLD_NOTHING = "The job ended and said nothing. The worker's log has the details."


@dataclass
class ActiveRun:
    """A claimed run, what carries it out, and the events not yet written."""

    claim: ClaimedRun
    running: Running
    unwritten: list[Event] = field(default_factory=list)
    written_at: float = 0.0
    cancelled: bool = False
    lost: bool = False
    """Its lease is another attempt's now."""


class Worker:
    """One worker on one device. `slots` quality runs train side by side; a cost probe has the device alone."""

    def __init__(self, engine: Engine, settings: Settings, executor: Executor, device: str = "cpu") -> None:
        self._engine = engine
        self._settings = settings
        self._executor = executor
        self._device = device
        self._cores = os.cpu_count() or 1
        self._slots = settings.slots or executor.slots(device)
        self._active: list[ActiveRun] = []
        self._interactive = Interactive(settings.store_folder, Share(self._threads, device))
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._asked_at = 0.0
        self._swept_at = -SWEEP_SECONDS
        self._rescues_from = 0.0
        self._shortage: str | None = None

    def stop(self) -> None:
        """Claim no more, give the running runs back to the queue at a checkpoint, and return from `work`."""
        self._stopping.set()

    def work(self) -> None:
        """Claim and record until told to stop."""
        with system_session(self._engine) as session:
            info = describe_device(self._device, self._slots)
            self._id = run_queue.register_worker(session, worker_name(), self._device, info)
        beating = threading.Thread(target=self._beat_regularly, name="heartbeat")
        beating.start()
        try:
            self._executor.warm_up()
            while not self._stopping.wait(POLL_SECONDS):
                self._turn()
            self._drain()
        finally:
            self._ended.set()
            beating.join()
            self._stop_answering()
            self._give_everything_back()

    def _turn(self) -> None:
        """One round of the loop. A database that is locked or away is waited for, and so is a store whose disk is full;
        runs go on meanwhile."""
        try:
            self._follow_all()
            self._serve()
            while len(self._active) < self._slots and self._can_start() and self._claim():
                pass
            self._sweep()
        except OperationalError as error:
            logger.warning("the database did not answer, trying again: %s", error.orig)
        except OSError as error:
            logger.warning("the store did not take a file, trying again: %s", error)

    def _follow_all(self) -> None:
        self._pass_on_cancel_requests()
        for active in list(self._active):
            self._follow(active)

    def _beat_regularly(self) -> None:
        """Every 5 s of a lease of 30, whatever the loop does: heartbeat, leases of the living, rescue of the lost."""
        while not self._ended.wait(self._settings.lease_seconds / BEATS_PER_LEASE):
            try:
                self._beat()
            except OperationalError as error:
                # Others could renew as little as this worker: nobody is lost before they have had the time to.
                self._rescues_from = time.monotonic() + self._settings.lease_seconds
                logger.warning("the database did not answer, trying again: %s", error.orig)

    def _beat(self) -> None:
        with system_session(self._engine) as session:
            run_queue.beat(session, self._id)
        for active in list(self._active):
            self._renew(active)
        if time.monotonic() < self._rescues_from:
            return
        with system_session(self._engine) as session:
            for run_id in run_queue.release_expired_leases(session):
                logger.warning("run %s lost its worker", run_id)

    def _renew(self, active: ActiveRun) -> None:
        try:
            with system_session(self._engine) as session:
                run_queue.renew_lease(session, active.claim.lease, self._settings.lease_seconds)
        except LeaseLost:
            # The loop may have ended the run meanwhile; if it has not, it abandons it.
            active.lost = True

    def _pass_on_cancel_requests(self) -> None:
        """A run that is silent hears of it too."""
        if not self._active or time.monotonic() - self._asked_at < CANCEL_SECONDS:
            return
        with system_session(self._engine) as session:
            asked = run_queue.cancel_requests(session, [active.claim.lease.run_id for active in self._active])
        for active in self._active:
            if active.claim.lease.run_id in asked and not active.cancelled:
                active.cancelled = True
                active.running.stop()
        self._asked_at = time.monotonic()

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            retention.sweep(self._engine, self._settings.store_folder)
            with system_session(self._engine) as session:
                jobs.forget_old_jobs(session)
            self._swept_at = time.monotonic()

    def _can_start(self) -> bool:
        """Whether a run could start now; what is short is said once."""
        shortage = self._executor.shortage()
        if shortage is not None and shortage != self._shortage:
            logger.warning("waiting with the queue: %s", shortage)
        self._shortage = shortage
        return shortage is None

    @property
    def _threads(self) -> int:
        """Side by side each run has its share of the cores."""
        return max(1, self._cores // self._slots)

    @property
    def _probing(self) -> bool:
        return any(active.claim.spec.purpose == "probe" for active in self._active)

    def _serve(self) -> None:
        """Interactive jobs go before runs, and beside them; a cost probe has the device alone and is waited for."""
        done = self._interactive.poll()
        if done is not None:
            self._conclude_job(done)
        if self._interactive.busy or self._probing:
            return
        with system_session(self._engine) as session:
            if not jobs.any_waiting(session):
                return
        with system_session(self._engine) as session:
            job = jobs.claim_next_job(session, self._id)
        if job is not None:
            logger.info("job %s: %s run %s", job.id, job.kind, job.run_id)
            self._begin_job(job)

    def _begin_job(self, job: ClaimedJob) -> None:
        try:
            self._interactive.begin(job)
        except AtlasError as error:
            with system_session(self._engine) as session:
                jobs.fail_job(session, job, str(error))

    def _conclude_job(self, done: Done) -> None:
        keep(self._settings.store_folder, done.folder, done.files)
        with system_session(self._engine) as session:
            if done.result is not None:
                jobs.finish_job(session, done.job, done.result, done.files)
            else:
                jobs.fail_job(session, done.job, done.reason or TOLD_NOTHING)
        self._interactive.forget(done)

    def _stop_answering(self) -> None:
        """Whoever waits asks again, and another worker answers."""
        job = self._interactive.end()
        if job is not None:
            with system_session(self._engine) as session:
                jobs.fail_job(session, job, "Its worker was stopped. Ask again.")

    def _claim(self) -> bool:
        """Claim and start one run; whether there was one."""
        if self._probing:
            return False
        with system_session(self._engine) as session:
            claim = run_queue.claim_next_run(
                session,
                self._id,
                store=self._settings.store_folder,
                lease_seconds=self._settings.lease_seconds,
                alone=not self._active and not self._interactive.busy,
                checkpoint_seconds=self._settings.checkpoint_seconds,
            )
        if claim is None:
            return False
        # Alone, a probe has all cores, as a deployment would.
        threads = self._cores if claim.spec.purpose == "probe" else self._threads
        logger.info("run %s: %s %s", claim.lease.run_id, claim.spec.purpose, claim.spec.method)
        share = Share(threads, self._device, self._settings.run_memory_bytes)
        self._active.append(ActiveRun(claim, self._executor.start(claim.spec, share)))
        return True

    def _follow(self, active: ActiveRun) -> None:
        """Write what the run told, and its end when it has ended."""
        if active.lost:
            self._abandon(active)
            return
        events, outcome = active.running.poll()
        active.unwritten += events
        due = time.monotonic() - active.written_at >= RECORD_SECONDS
        try:
            if active.unwritten and (due or outcome is not None):
                self._write(active)
            if outcome is not None:
                self._conclude(active, outcome)
        except LeaseLost:
            self._abandon(active)

    def _write(self, active: ActiveRun) -> None:
        with system_session(self._engine) as session:
            run_queue.record_events(session, active.claim.lease, active.unwritten)
        active.unwritten, active.written_at = [], time.monotonic()

    def _conclude(self, active: ActiveRun, outcome: Outcome) -> None:
        claim = active.claim
        if outcome.paused:
            self._give_back(active)
            return
        if outcome.lost and not active.cancelled:
            self._lose(active, outcome)
            return
        if outcome.result is not None:
            self._finish(claim, outcome.result)
        else:
            self._record_failure(active, outcome)
        self._forget(active)

    def _finish(self, claim: ClaimedRun, result: RunResult) -> None:
        kept = retention.worth_keeping(claim, result.artifacts)
        keep(self._settings.store_folder, claim.spec.folder, kept)
        with system_session(self._engine) as session:
            run_queue.finish_run(session, claim, result, kept)
        # A study deleted meanwhile may have taken away a file of the same content.
        keep(self._settings.store_folder, claim.spec.folder, kept)

    def _record_failure(self, active: ActiveRun, outcome: Outcome) -> None:
        assert outcome.reason is not None
        with system_session(self._engine) as session:
            if active.cancelled:
                run_queue.cancel_run(session, active.claim)
                return
            if outcome.details:
                run_queue.record_events(session, active.claim.lease, [Log(message=outcome.details)])
            run_queue.fail_run(session, active.claim, outcome.reason)

    def _lose(self, active: ActiveRun, outcome: Outcome) -> None:
        """Back to the queue as a lost attempt; its folder stays, for its checkpoint is what the next begins with."""
        assert outcome.reason is not None
        logger.warning("run %s was lost: %s", active.claim.lease.run_id, outcome.reason)
        with system_session(self._engine) as session:
            if outcome.details:
                run_queue.record_events(session, active.claim.lease, [Log(message=outcome.details)])
            run_queue.lose_run(session, active.claim, outcome.reason)
        self._active.remove(active)

    def _abandon(self, active: ActiveRun) -> None:
        """Another attempt owns the run now: stop working on it and write nothing more."""
        logger.warning("run %s now belongs to another attempt", active.claim.lease.run_id)
        active.running.kill()
        self._active.remove(active)

    def _forget(self, active: ActiveRun) -> None:
        self._active.remove(active)
        drop_scratch(active.claim.spec.folder.parent)

    def _drain(self) -> None:
        """Let the running runs end or stop at a checkpoint, as far as the time allows. A probe starts again anyway."""
        deadline = time.monotonic() + self._settings.drain_seconds
        for active in self._active:
            active.running.pause()
        while any(active.claim.spec.purpose != "probe" for active in self._active) and time.monotonic() < deadline:
            try:
                self._follow_all()
            except OperationalError as error:
                logger.warning("the database did not answer, trying again: %s", error.orig)
            time.sleep(POLL_SECONDS)

    def _give_everything_back(self) -> None:
        for active in list(self._active):
            active.running.kill()
            self._give_back(active)
        with system_session(self._engine) as session:
            run_queue.sign_off(session, self._id)

    def _give_back(self, active: ActiveRun) -> None:
        """The run goes back to the queue; its folder stays, for its checkpoint is what the next attempt begins with."""
        try:
            with system_session(self._engine) as session:
                run_queue.give_back(session, active.claim.lease)
        except LeaseLost:
            logger.warning("run %s now belongs to another attempt", active.claim.lease.run_id)
        self._active.remove(active)
