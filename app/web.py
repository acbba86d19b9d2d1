"""The web process: `python -m app.web`."""

import argparse
import gc

from app.errors import AtlasError
from app.processes import die_with_parent


def main() -> None:
    """Serve until told to stop: on a loopback address, or on any once people have accounts."""
    parser = argparse.ArgumentParser(prog="python -m app.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8050)
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    arguments = parser.parse_args()
    if arguments.with_parent:
        die_with_parent()
    # What is imported stays: looking through it for garbage on the way took a seventh of the start.
    gc.disable()
    import uvicorn

    from app.main import create_app
    from app.services.accounts.binding import refuse_open_binding
    from app.settings import Settings

    settings = Settings()
    app = create_app(settings.answering_to(arguments.host))
    try:
        refuse_open_binding(app.state.engine, arguments.host)
    except AtlasError as refusal:
        parser.exit(1, f"{refusal}\n")
    gc.freeze()
    gc.enable()
    # Open pages hold websockets for as long as they are open: they are closed, not waited for.
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        timeout_graceful_shutdown=2,
        server_header=False,
    )


if __name__ == "__main__":
    main()
