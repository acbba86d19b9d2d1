"""Whether a worker of this machine is at work: `python -m app.worker.alive`, for the health check of a container."""

import socket
import sys

from app.db.session import make_engine
from app.services.callers import COMMAND
from app.services.workers import list_workers
from app.settings import Settings


def main() -> None:
    """Exit code 0 where one told the database lately that it lives."""
    machine = socket.gethostname()
    workers = list_workers(make_engine(Settings().database), COMMAND)
    if not any(worker.alive and worker.name.rpartition(":")[0] == machine for worker in workers):
        sys.exit(f"No worker of {machine} is at work.")


if __name__ == "__main__":
    main()
