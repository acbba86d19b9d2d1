"""The worker: claims runs, has them executed, and records what they tell."""

import logging
import threading
import time
from typing import Literal

from sqlalchemy import Engine

from app.db.session import system_session
from app.errors import LeaseLost
from app.logs import about
from app.services import jobs, retention, run_queue
from app.services.run_queue import ClaimedRun
from app.services.store import drop_scratch, keep
from app.settings import Settings
from app.worker.active import AWAY, AWAY_WORDS, MOST_QUOTED, ActiveRun, in_short, of
from app.worker.answering import Answering
from app.worker.claiming import RETRY_SECONDS, Claiming
from app.worker.device import describe_device, worker_name
from app.worker.executors.executor import Executor, Outcome, Share
from app.worker.heartbeat import Heartbeat
from peft_core.spec import Event, Log, RunResult

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
CANCEL_SECONDS = 1.0
RECORD_SECONDS = 0.5
SWEEP_SECONDS = 600.0


class Worker:
    """One worker on one device. `slots` quality runs, or groups of runs that train together, train side by side; a cost
    probe has the device alone."""

    def __init__(self, engine: Engine, settings: Settings, executor: Executor, device: str = "cpu") -> None:
        self._engine = engine
        self._settings = settings
        self._executor = executor
        self._device = device
        self._active: list[ActiveRun] = []
        self._claiming = Claiming(engine, settings, executor, device, self._active)
        self._answering = Answering(engine, settings, Share(self._claiming.threads, device))
        self._stopping = threading.Event()
        self._asked_at = 0.0
        self._swept_at = -SWEEP_SECONDS

    def stop(self) -> None:
        """Claim no more, give the running runs back to the queue at a checkpoint, and return from `work`."""
        self._stopping.set()

    def work(self) -> None:
        """Claim and record until told to stop."""
        with system_session(self._engine) as session:
            info = describe_device(self._device, self._claiming.slots)
            self._id = run_queue.register_worker(session, worker_name(), self._device, info)
        logger.info("worker %s on %s", self._id, self._device, extra=about("worker_started"))
        heartbeat = Heartbeat(self._engine, self._settings.lease_seconds, self._id, self._active)
        heartbeat.start()
        try:
            self._warm_up()
            while not self._stopping.wait(POLL_SECONDS):
                self._turn()
            self._drain()
        finally:
            heartbeat.stop()
            self._stop_answering()
            self._give_everything_back()

    def _turn(self) -> None:
        """One round of the loop. A database that is locked or away is waited for, and so is a store whose disk is full;
        runs go on meanwhile."""
        try:
            self._follow_all()
            self._answering.serve(self._id, probing=self._claiming.probing)
            self._claiming.fill(self._id, answering=self._answering.busy)
            self._sweep()
        except AWAY as error:
            logger.warning(AWAY_WORDS, error.orig, extra=about("database_away"))
        except OSError as error:
            logger.warning("the store did not take a file, trying again: %s", error, extra=about("store_away"))
        except Exception:
            logger.exception("a turn of the worker failed, going on", extra=about("turn_failed"))
            self._claiming.pause()

    def _warm_up(self) -> None:
        try:
            self._executor.warm_up()
        except (OSError, EOFError) as error:
            logger.warning(
                "the process that runs are forked from did not start: %s", error, extra=about("warm_up_failed")
            )

    def _follow_all(self) -> None:
        self._pass_on_cancel_requests()
        for active in list(self._active):
            if time.monotonic() >= active.again_at:
                self._follow_by_itself(active)

    def _follow_by_itself(self, active: ActiveRun) -> None:
        """Whatever happens to one run, worker and other runs go on. What passes is waited for."""
        try:
            self._follow(active)
        except LeaseLost:
            self._abandon(active)
        except AWAY as error:
            self._wait(active, f"the database did not answer: {error.orig}")
        except FileNotFoundError as error:
            self._break_off(active, error)
        except OSError as error:
            self._wait(active, f"the store did not take a file: {error}")
        except Exception as error:
            self._break_off(active, error)

    def _wait(self, active: ActiveRun, why: str) -> None:
        logger.warning("trying again: %s", why, extra=of(active.claim, "waiting"))
        active.again_at = time.monotonic() + RETRY_SECONDS

    def _break_off(self, active: ActiveRun, error: Exception) -> None:
        """End a run that the worker cannot go on with, with the reason; where not even that can be written, its lease
        lapses and the queue counts it as lost."""
        logger.error("it could not be recorded", exc_info=error, extra=of(active.claim, "broken_off"))
        if active.broken is not None:
            self._abandon(active)
            return
        reason = f"What it told could not be recorded ({in_short(error)}). Retry it; the worker's log has the details."
        active.broken, active.unwritten = Outcome(None, reason), []
        active.running.kill()

    def _pass_on_cancel_requests(self) -> None:
        """A run that is silent hears of it too."""
        if not self._active or time.monotonic() - self._asked_at < CANCEL_SECONDS:
            return
        with system_session(self._engine) as session:
            asked = run_queue.cancel_requests(session, [active.claim.lease.run_id for active in self._active])
        for active in self._active:
            if active.claim.lease.run_id in asked and not active.cancelled:
                active.cancelled = True
                self._stop(active)
        self._asked_at = time.monotonic()

    def _stop(self, active: ActiveRun) -> None:
        try:
            active.running.stop()
        except Exception as error:
            self._break_off(active, error)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = time.monotonic()
            retention.sweep(self._engine, self._settings.store_folder)
            retention.forget(self._engine, self._settings)
            with system_session(self._engine) as session:
                jobs.forget_old_jobs(session)

    def _follow(self, active: ActiveRun) -> None:
        """Write what the run told, and its end when it has ended."""
        if active.lost:
            self._abandon(active)
            return
        events, outcome = ([], active.broken) if active.broken else active.running.poll()
        active.unwritten += events
        due = time.monotonic() - active.written_at >= RECORD_SECONDS
        if active.unwritten and (due or outcome is not None):
            self._write(active)
        if outcome is not None:
            self._conclude(active, outcome)

    def _write(self, active: ActiveRun) -> None:
        """As one batch. Where that is refused, event by event, so that one that cannot be kept costs no other."""
        try:
            self._record(active, active.unwritten)
            active.unwritten = []
        except (LeaseLost, OSError, *AWAY):
            raise
        except Exception:
            while active.unwritten:
                self._record_or_tell(active, active.unwritten[0])
                del active.unwritten[0]
        active.written_at = time.monotonic()

    def _record(self, active: ActiveRun, events: list[Event]) -> None:
        with system_session(self._engine) as session:
            run_queue.record_events(session, active.claim.lease, events, after_line=active.last_line)
            last_line = run_queue.last_line(session, active.claim.lease.run_id)
        active.last_line = last_line

    def _record_or_tell(self, active: ActiveRun, event: Event) -> None:
        try:
            self._record(active, [event])
        except (LeaseLost, OSError, *AWAY):
            raise
        except Exception as error:
            logger.exception("it told what cannot be kept", extra=of(active.claim, "event_left_out"))
            left_out = f"left out of the record ({in_short(error)}): {event.model_dump_json()[:MOST_QUOTED]}"
            self._record(active, [Log(message=left_out)])

    def _conclude(self, active: ActiveRun, outcome: Outcome) -> None:
        claim = active.claim
        if outcome.paused:
            self._give_back(active, outcome.reason or run_queue.WORKER_STOPPED)
            return
        if outcome.lost and not active.cancelled:
            self._lose(active, outcome)
            return
        if outcome.parted and not active.cancelled:
            self._part(active, outcome)
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
        logger.info("succeeded", extra=of(claim, "succeeded"))
        # A study deleted meanwhile may have taken away a file of the same content.
        keep(self._settings.store_folder, claim.spec.folder, kept)

    def _record_failure(self, active: ActiveRun, outcome: Outcome) -> None:
        assert outcome.reason is not None
        ended = "cancelled" if active.cancelled else "failed"
        with system_session(self._engine) as session:
            if outcome.details and not active.cancelled:
                run_queue.record_events(session, active.claim.lease, [Log(message=outcome.details)])
            if active.cancelled:
                run_queue.cancel_run(session, active.claim)
            else:
                run_queue.fail_run(session, active.claim, outcome.reason)
        logger.info("%s: %s", ended, outcome.reason, extra=of(active.claim, ended))

    def _lose(self, active: ActiveRun, outcome: Outcome) -> None:
        """Back to the queue as a lost attempt; its folder stays, for its checkpoint is what the next begins with."""
        assert outcome.reason is not None
        logger.warning("lost: %s", outcome.reason, extra=of(active.claim, "lost"))
        with system_session(self._engine) as session:
            if outcome.details:
                run_queue.record_events(session, active.claim.lease, [Log(message=outcome.details)])
            waits = run_queue.lose_run(session, active.claim, outcome.reason)
        self._leave(active, waits)

    def _part(self, active: ActiveRun, outcome: Outcome) -> None:
        """Back to the queue, to train alone from its checkpoint on."""
        assert outcome.reason is not None
        self._claiming.group_fell_apart(active.together)
        if outcome.details:
            self._record(active, [Log(message=outcome.details)])
        self._give_back(active, outcome.reason, "parted")

    def _abandon(self, active: ActiveRun) -> None:
        """Another attempt owns the run now: stop working on it and write nothing more."""
        logger.warning("now belongs to another attempt", extra=of(active.claim, "abandoned"))
        self._active.remove(active)
        active.running.kill()

    def _forget(self, active: ActiveRun) -> None:
        self._active.remove(active)
        drop_scratch(active.claim.spec.folder.parent)

    def _leave(self, active: ActiveRun, waits: bool) -> None:
        if waits:
            self._active.remove(active)
        else:
            self._forget(active)

    def _drain(self) -> None:
        """Let the running runs end or stop at a checkpoint, as far as the time allows. A probe starts again anyway."""
        deadline = time.monotonic() + self._settings.drain_seconds
        for active in self._active:
            active.running.pause()
        while any(active.claim.spec.purpose != "probe" for active in self._active) and time.monotonic() < deadline:
            try:
                self._follow_all()
            except AWAY as error:
                logger.warning(AWAY_WORDS, error.orig, extra=about("database_away"))
            time.sleep(POLL_SECONDS)

    def _stop_answering(self) -> None:
        try:
            self._answering.stop()
        except Exception:
            logger.exception("a job stays unanswered")

    def _give_everything_back(self) -> None:
        """As far as it can be: what cannot is rescued when its lease is over."""
        for active in list(self._active):
            try:
                active.running.kill()
                self._give_back(active, run_queue.WORKER_STOPPED)
            except LeaseLost:
                logger.warning("now belongs to another attempt", extra=of(active.claim, "abandoned"))
            except Exception:
                logger.exception("it could not be given back", extra=of(active.claim, "not_returned"))
        with system_session(self._engine) as session:
            run_queue.sign_off(session, self._id)

    def _give_back(self, active: ActiveRun, reason: str, outcome: Literal["returned", "parted"] = "returned") -> None:
        """The run goes back to the queue; its folder stays, for its checkpoint is what the next attempt begins with."""
        with system_session(self._engine) as session:
            waits = run_queue.give_back(session, active.claim.lease, reason, outcome)
        logger.info("left this worker: %s", reason, extra=of(active.claim, outcome if waits else "cancelled"))
        self._leave(active, waits)
