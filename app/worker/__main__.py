"""The worker's process: `python -m app.worker`. Its imports stay inside, for forked runs import this module again."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.settings import Settings
    from app.worker.executors.executor import Executor


def main() -> None:
    """Work until SIGTERM or SIGINT, then give running runs back and end."""
    import argparse
    import signal

    from app.db.migrate import migrate
    from app.db.session import make_engine
    from app.logs import set_up
    from app.processes import die_with_parent
    from app.settings import Settings
    from app.worker.loop import Worker

    parser = argparse.ArgumentParser(prog="python -m app.worker")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    arguments = parser.parse_args()
    if arguments.with_parent:
        die_with_parent()
    settings = Settings()
    set_up("worker", settings.log)
    # Before anything is started that would inherit it: only a download is given the token.
    settings.take_hub_token()
    migrate(settings.database)
    executor = make_executor(settings, arguments.device)
    worker = Worker(make_engine(settings.database), settings, executor, arguments.device)
    # Inherited by the processes of runs: one that is asked for a checkpoint before it listens goes on.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.work()


def make_executor(settings: "Settings", device: str) -> "Executor":
    """The one that the settings name. Ends the process with a sentence where it cannot work."""
    import sys

    from app.worker.executors.group import LocalGroups
    from app.worker.executors.local import LocalExecutor
    from app.worker.executors.ray import ClusterUnusable, RayExecutor, Request

    if settings.executor == "local":
        return LocalExecutor(environment=settings.hub_environment(), groups=LocalGroups())
    if ":" in device:
        sys.exit(f"Ray chooses the device of each run: say --device cuda instead of {device}.")
    gpus = settings.ray_gpus if settings.ray_gpus is not None else float(device == "cuda")
    try:
        request = Request(settings.ray_cpus, gpus)
        return RayExecutor(settings.ray_address, request, environment=settings.hub_environment())
    except ClusterUnusable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
