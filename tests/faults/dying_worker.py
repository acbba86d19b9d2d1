"""A worker: `python -m tests.faults.dying_worker RUN_FUNCTION PLACE [GROUP_FUNCTION]`. It kills itself at the place, if
one is named: claim, artifact or commit. Runs train together where a function for groups is named."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.db.session import make_engine
from app.services.store import keep
from app.settings import Settings
from app.worker.executors.group import LocalGroups
from app.worker.executors.local import LocalExecutor
from app.worker.loop import Worker
from peft_core.spec import Artifact


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def keep_one_and_die(store: Path, folder: Path, artifacts: Sequence[Artifact]) -> None:
    if artifacts:
        keep(store, folder, artifacts[:1])
        die()


PLACES = {
    "claim": ("app.worker.executors.local.LocalExecutor.start", die),
    "artifact": ("app.worker.loop.keep", keep_one_and_die),
    "commit": ("app.services.run_queue.finish_run", die),
}


def main() -> None:
    function, place, *together = sys.argv[1:]
    groups = LocalGroups(*together) if together else None
    if together:
        # One thread for a group: where others are at work, two would wait for each other at every operation.
        patch("os.cpu_count", return_value=1).start()
    settings = Settings()
    worker = Worker(make_engine(settings.database), settings, LocalExecutor(function, groups=groups))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    if place:
        patch(*PLACES[place]).start()
    worker.work()


if __name__ == "__main__":
    main()
