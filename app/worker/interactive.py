"""Interactive jobs: done beside the runs in a process of their own, which keeps the last model in memory a while."""

import json
import multiprocessing
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.schemas import PredictRequest
from app.services.jobs import LIMIT_SECONDS, ClaimedJob
from app.services.store import empty_scratch, link
from app.worker.executors.executor import Share
from app.worker.executors.local import PRELOAD, end_with_worker, how_it_was_ended, keep_to, reason_of
from peft_core.errors import NotOffered
from peft_core.spec import Artifact

if TYPE_CHECKING:
    from peft_core.side_by_side import Answer, SideBySide

IDLE_SECONDS = 300.0
"""How long a model stays in memory after the last question."""
TOO_LONG = f"This took more than {LIMIT_SECONDS:.0f} s and was stopped. Ask for less at once, or a shorter answer."
MERGED = "merged"


@dataclass(frozen=True)
class Done:
    """How a job ended: a result with the files that it made in its folder, or a reason."""

    job: ClaimedJob
    folder: Path
    result: dict[str, Any] | None
    reason: str | None = None
    files: tuple[Artifact, ...] = ()


@dataclass
class _Process:
    """The process, its pipe, and what it does at present."""

    process: ForkServerProcess
    pipe: Connection
    job: ClaimedJob | None = None
    since: float = field(default_factory=time.monotonic)


class Interactive:
    """Does one job at a time. None of these waits but `end`."""

    def __init__(self, store: Path, share: Share) -> None:
        self._store, self._share = store, share
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])
        self._child: _Process | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is being done."""
        return self._child is not None and self._child.job is not None

    def begin(self, job: ClaimedJob) -> None:
        """Start the job; it must not be busy."""
        child = self._child = self._child or self._start()
        folder = self._folder(job)
        empty_scratch(folder)
        link(self._store, job.files, folder)
        child.job, child.since = job, time.monotonic()
        child.pipe.send_bytes(json.dumps([job.kind, str(folder), job.request]).encode())

    def poll(self) -> Done | None:
        """How the job ended, once. Ends the process where the job takes too long, or nobody has asked for a while."""
        child = self._child
        if child is None:
            return None
        waited = time.monotonic() - child.since
        if child.job is None:
            if waited > IDLE_SECONDS:
                self.end()
            return None
        if (told := _read(child)) is not None:
            done, child.job, child.since = self._done(child.job, told), None, time.monotonic()
            return done
        if not child.process.is_alive():
            child.process.join()
            return self._broken_off(child.job, how_it_was_ended(child.process.exitcode))
        return self._broken_off(child.job, TOO_LONG) if waited > LIMIT_SECONDS else None

    def forget(self, done: Done) -> None:
        """Remove what the job has left in its folder."""
        shutil.rmtree(done.folder, ignore_errors=True)

    def end(self) -> ClaimedJob | None:
        """End the process now; the job that it was at."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.process.kill()
        child.process.join()
        child.pipe.close()
        return child.job

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._share, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Process(process, ours)

    def _folder(self, job: ClaimedJob) -> Path:
        return self._store / "jobs" / str(job.id)

    def _done(self, job: ClaimedJob, told: dict[str, Any]) -> Done:
        files = tuple(Artifact.model_validate(file) for file in told.get("files", ()))
        return Done(job, self._folder(job), told.get("result"), told.get("reason"), files)

    def _broken_off(self, job: ClaimedJob, reason: str) -> Done:
        self.end()
        return Done(job, self._folder(job), None, reason)


def _read(child: _Process) -> dict[str, Any] | None:
    try:
        if child.pipe.poll():
            told: dict[str, Any] = json.loads(child.pipe.recv_bytes())
            return told
    except (EOFError, OSError):
        # The process is gone; its exit code says how.
        pass
    return None


# -- in the process of its own ----------------------------------------------------------------------------------------


def _serve(share: Share, pipe: Connection) -> None:
    """Do one job after the other until the worker ends."""
    from peft_core.run import hush_libraries

    threading.Thread(target=end_with_worker, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_to(share)
    hush_libraries()
    warm = _Warm()
    try:
        while True:
            kind, folder, request = json.loads(pipe.recv_bytes())
            pipe.send_bytes(json.dumps(_do(JOBS[kind], warm, Path(folder), request)).encode())
    except (EOFError, BrokenPipeError):
        sys.exit(0)


class _Warm:
    """The model that answered last."""

    def __init__(self) -> None:
        self._both: SideBySide | None = None

    def model_of(self, folder: Path) -> "SideBySide":
        """The model of the run in `folder`: another adapter on the same base, where that is what it is."""
        from peft_core.side_by_side import SideBySide

        if self._both is not None:
            try:
                self._both.switch(folder)
                return self._both
            except NotOffered:
                self._both = None
        self._both = SideBySide(folder)
        return self._both


Job = Callable[[_Warm, Path, dict[str, Any]], dict[str, Any]]


def _do(job: Job, warm: _Warm, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return job(warm, folder, request)
    except Exception as error:
        # The boundary of a job: whatever broke becomes the reason that a person reads.
        traceback.print_exc()
        return {"reason": reason_of(error)}


def _predict(warm: _Warm, folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    from peft_core.deploy import as_row

    asked = PredictRequest.model_validate(request).inputs
    rows = [as_row(place, one.text, one.pair or "", one.choices) for place, one in enumerate(asked)]
    both = warm.model_of(folder)
    answers = [
        {"adapted": _as_document(adapted), "base": _as_document(base)}
        for adapted, base in zip(both.adapted(rows), both.untuned(rows), strict=True)
    ]
    return {"result": {"answers": answers, "base_is": both.base_is}}


def _as_document(answer: "Answer") -> dict[str, Any]:
    return asdict(answer)


def _merge(_warm: _Warm, folder: Path, _request: dict[str, Any]) -> dict[str, Any]:
    from peft_core.deploy import merge_into
    from peft_core.run import artifacts_of

    merge_into(folder, folder / MERGED)
    files = [file for file in artifacts_of(folder) if file.path.startswith(f"{MERGED}/")]
    return {"result": {}, "files": [file.model_dump() for file in files]}


JOBS: dict[str, Job] = {"predict": _predict, "merge": _merge}
