"""The server that the application runs in, and how it stops."""

import logging
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

import uvicorn
from fastapi import FastAPI

from app.api.request_head import LimitedHead
from app.logs import about
from app.settings import Settings

logger = logging.getLogger(__name__)
NOT_STARTED = 3


class Server(uvicorn.Server):
    """Told to stop, it says so in readyz, for a proxy to hear of it; then takes nothing new and finishes the rest."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, leave_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._leave_seconds = leave_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came. The second one is not made to wait."""
        asked_before = getattr(self._app.state, "stopping", False)
        self._app.state.stopping = True
        if asked_before or not self._leave_seconds:
            super().handle_exit(sig, frame)
            return
        leaving = threading.Timer(self._leave_seconds, super().handle_exit, (sig, frame))
        leaving.daemon = True
        leaving.start()


def serve(app: FastAPI, host: str, port: int) -> NoReturn:
    """Until a signal: then requests are finished within the settings' `stop_seconds`, and websockets closed."""
    settings: Settings = app.state.settings
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=LimitedHead,
        # The process has its own form, and its own line for each request that matters.
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.stop_seconds,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )
    server = Server(config, app, settings.leave_seconds)
    logger.info("web on %s, port %s", host, port, extra=about("web_started"))
    # The server raises a signal again once all is finished: being told to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run()
    logger.info("web stopped", extra=about("web_stopped"))
    logging.shutdown()
    # Python would wait for threads that are still at work on what took too long.
    os._exit(0 if server.started else NOT_STARTED)
