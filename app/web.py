"""The web process: `python -m app.web`."""

import argparse
import gc

from app.processes import die_with_parent


def main() -> None:
    """Serve on a loopback address until told to stop."""
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

    app = create_app()
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
