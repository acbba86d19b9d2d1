"""The web process: `python -m app.web`."""

import argparse
import gc
import signal
import sys
from typing import NoReturn

from app.errors import AtlasError
from app.processes import die_with_parent


def main() -> None:
    """Serve until told to stop: on a loopback address, or on any once people have accounts.

    Then what is being answered is finished; exit code 0.
    """
    parser = argparse.ArgumentParser(prog="python -m app.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8050)
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    arguments = parser.parse_args()
    if arguments.with_parent:
        die_with_parent()
    try:
        serve_here(arguments.host, arguments.port)
    except AtlasError as refusal:
        parser.exit(1, f"{refusal}\n")


def serve_here(host: str, port: int) -> NoReturn:
    """The same in this process. Raises Forbidden for an address that is open to others while nobody has to log in."""
    # Told to stop while it starts.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # What is imported stays: looking through it for garbage on the way took a seventh of the start.
    gc.disable()
    from app.api.serving import serve
    from app.logs import set_up
    from app.main import create_app
    from app.services.accounts.binding import refuse_open_binding
    from app.settings import Settings

    settings = Settings()
    set_up("web", settings.log)
    app = create_app(settings.answering_to(host))
    refuse_open_binding(app.state.engine, host)
    gc.freeze()
    gc.enable()
    serve(app, host, port)


if __name__ == "__main__":
    main()
