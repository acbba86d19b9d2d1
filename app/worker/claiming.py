"""Filling a worker's slots: what is claimed, with what beside it, and how it is started."""

import itertools
import logging
import os
import time
import traceback
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.logs import about
from app.services import companions, run_queue
from app.services.run_queue import ClaimedRun
from app.services.team_settings import settings_of
from app.services.workers import free_slots_elsewhere
from app.settings import Settings
from app.worker.active import ActiveRun, in_short, of
from app.worker.device import free_memory_bytes
from app.worker.executors.executor import Executor, NotStarted, Outcome, Running, Share
from app.worker.grouping import Room, beside
from peft_core.hub_access import Hub
from peft_core.spec import RunSpec

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
LONGEST_BREAK_SECONDS = 60.0
GROWING_SECONDS = 30.0
"""How long a run that has begun may still take more memory."""


class Claiming:
    """Claims and starts runs of one worker, alone or those that train together in one slot. What it has started is in
    `active`, from where the worker takes what has ended."""

    def __init__(
        self, engine: Engine, settings: Settings, executor: Executor, device: str, active: list[ActiveRun]
    ) -> None:
        self._engine, self._settings, self._executor, self._device = engine, settings, executor, device
        self._active = active
        self.slots = settings.slots or executor.slots(device)
        self._cores = os.cpu_count() or 1
        self._slot_numbers = itertools.count(1)
        self._most_together = settings.most_together
        self._claims_from = 0.0
        self._break_seconds = RETRY_SECONDS
        self._shortage: str | None = None

    @property
    def threads(self) -> int:
        """Side by side each slot has its share of the cores."""
        return max(1, self._cores // self.slots)

    @property
    def probing(self) -> bool:
        """Whether a cost probe has the device, and nothing starts beside it."""
        return any(active.claim.spec.purpose == "probe" for active in self._active)

    def fill(self, worker_id: int, *, answering: bool) -> None:
        """Claim and start until the slots are full or nothing may start. answering: a job keeps the device busy."""
        while self._free_slots > 0 and self._can_start() and self._claim(worker_id, answering=answering):
            pass

    def pause(self) -> None:
        """After each failure twice as long as before: what is broken is broken for the next run too."""
        self._claims_from = time.monotonic() + self._break_seconds
        self._break_seconds = min(2 * self._break_seconds, LONGEST_BREAK_SECONDS)

    def was_crowded(self, runs: int) -> None:
        """A group of so many had not enough memory: the next ones are half as large at most, until this worker ends."""
        half = max(1, runs // 2)
        if self._most_together is None or half < self._most_together:
            self._most_together = half
            said = "%d runs together were too many for the memory: at most %d from now on"
            logger.warning(said, runs, half, extra=about("crowded"))

    @property
    def _free_slots(self) -> int:
        return self.slots - len({active.slot for active in self._active})

    def _can_start(self) -> bool:
        """Whether a run could start now; what is short is said once."""
        if time.monotonic() < self._claims_from:
            return False
        shortage = self._executor.shortage()
        if shortage is not None and shortage != self._shortage:
            logger.warning("waiting with the queue: %s", shortage, extra=about("shortage"))
        self._shortage = shortage
        return shortage is None

    def _claim(self, worker_id: int, *, answering: bool) -> bool:
        """Claim and start one run, with those that train together with it; whether there was one."""
        if self.probing:
            return False
        with system_session(self._engine) as session:
            claim = run_queue.claim_next_run(
                session,
                worker_id,
                store=self._settings.store_folder,
                lease_seconds=self._settings.lease_seconds,
                alone=not self._active and not answering,
                checkpoint_seconds=self._settings.checkpoint_seconds,
            )
            others = self._claim_companions(session, worker_id, claim) if claim is not None else []
        if claim is None:
            return False
        self._begin([claim, *others])
        return True

    def _claim_companions(self, session: Session, worker_id: int, claim: ClaimedRun) -> list[ClaimedRun]:
        if self._executor.groups is None:
            return []
        elsewhere = free_slots_elsewhere(session, worker_id)

        def choose(waiting: Sequence[RunSpec]) -> Sequence[RunSpec]:
            try:
                room = Room(self.slots + elsewhere, self._free_memory(), self._device, self._most_together)
                return beside(claim.spec, waiting, room)
            except Exception:
                # To train together is only faster.
                logger.exception("it trains alone", extra=of(claim, "not_grouped"))
                return []

        return companions.claim_companions(
            session,
            worker_id,
            claim,
            choose,
            store=self._settings.store_folder,
            lease_seconds=self._settings.lease_seconds,
            checkpoint_seconds=self._settings.checkpoint_seconds,
        )

    def _free_memory(self) -> int | None:
        """What is free for one slot: an equal share with those that are free, or have begun and still grow."""
        free, limit = free_memory_bytes(self._device), self._settings.run_memory_bytes
        growing = {active.slot for active in self._active if time.monotonic() - active.began_at < GROWING_SECONDS}
        share = None if free is None else free // (self._free_slots + len(growing))
        return min((size for size in (share, limit) if size is not None), default=None)

    def _begin(self, claims: Sequence[ClaimedRun]) -> None:
        """Start claimed runs in one slot."""
        # Alone, a probe has all cores, as a deployment would.
        threads = self._cores if claims[0].spec.purpose == "probe" else self.threads
        share = Share(threads, self._device, self._settings.run_memory_bytes)
        slot, waiting = next(self._slot_numbers), NotStarted(Outcome(None, None, paused=True))
        begun = [
            ActiveRun(claim, waiting, last_line=claim.last_line, slot=slot, together=len(claims)) for claim in claims
        ]
        for claim in claims:
            group = f", one of {len(claims)} that train together" if len(claims) > 1 else ""
            logger.info("%s %s%s", claim.spec.purpose, claim.spec.method, group, extra=of(claim, "claimed"))
        # Before they are started, which may take long where the process that runs are forked from has to start first.
        self._active += begun
        for active, running in zip(begun, self._start(claims, share), strict=True):
            active.running = running

    def _start(self, claims: Sequence[ClaimedRun], share: Share) -> Sequence[Running]:
        """Their process; where there is none, what ends their attempts: the machine may have room again later, but a
        run that cannot be started for any other reason fails."""
        try:
            started = self._start_process(claims, share)
        except (OSError, EOFError) as error:
            self.pause()
            logger.warning("it could not be started: %s", in_short(error), extra=of(claims[0], "not_started"))
            ended = Outcome(None, f"its process could not be started ({in_short(error)})", paused=True)
            return [NotStarted(ended)] * len(claims)
        except Exception as error:
            self.pause()
            logger.exception("it could not be started", extra=of(claims[0], "not_started"))
            reason = f"The run could not be started ({in_short(error)}). Retry it; the worker's log has the details."
            return [NotStarted(Outcome(None, reason, traceback.format_exc()))] * len(claims)
        self._break_seconds = RETRY_SECONDS
        return started

    def _start_process(self, claims: Sequence[ClaimedRun], share: Share) -> Sequence[Running]:
        hub = self._hub_for(claims[0])
        if self._executor.groups is None or len(claims) == 1:
            return [self._executor.start(claims[0].spec, share, hub)]
        return self._executor.groups.start([claim.spec for claim in claims], share, hub)

    def _hub_for(self, claim: ClaimedRun) -> Hub | None:
        """Where its team downloads from, with its token; None for a run that downloads nothing."""
        if claim.spec.base_model_source is None and claim.spec.task.source is None:
            return None
        return settings_of(self._engine, self._settings, claim.lease.team_id).hub
