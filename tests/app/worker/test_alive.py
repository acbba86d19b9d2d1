"""The health check of a worker's container: its own worker has to be at work."""

import socket

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.services import run_queue
from app.worker import alive
from app.worker.device import worker_name


def test_only_a_living_worker_of_this_machine_counts(engine: Engine) -> None:
    with pytest.raises(SystemExit, match=f"No worker of {socket.gethostname()} is at work"):
        alive.main()
    with system_session(engine) as session:
        run_queue.register_worker(session, "elsewhere:1", "cpu", {})
    with pytest.raises(SystemExit):
        alive.main()
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, worker_name(), "cpu", {})
    alive.main()
    with system_session(engine) as session:
        run_queue.sign_off(session, worker)
    with pytest.raises(SystemExit):
        alive.main()
