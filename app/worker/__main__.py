"""The worker's process: `python -m app.worker`. Its imports stay inside, for forked runs import this module again."""


def main() -> None:
    """Work until SIGTERM or SIGINT, then give running runs back and end."""
    import argparse
    import logging
    import signal

    from app.db.migrate import migrate
    from app.db.session import make_engine
    from app.processes import die_with_parent
    from app.settings import Settings
    from app.worker.executors.local import LocalExecutor
    from app.worker.loop import Worker

    parser = argparse.ArgumentParser(prog="python -m app.worker")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    arguments = parser.parse_args()
    if arguments.with_parent:
        die_with_parent()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s worker: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("app").setLevel(logging.INFO)
    settings = Settings()
    migrate(settings.database)
    executor = LocalExecutor(environment=settings.hub_environment())
    worker = Worker(make_engine(settings.database), settings, executor, arguments.device)
    # Inherited by the processes of runs: one that is asked for a checkpoint before it listens goes on.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.work()


if __name__ == "__main__":
    main()
