"""The commands that start the product's processes."""

import errno
import os
import socket
import sys
import webbrowser
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.cli.terminal import AsJson, migrated, print_json, stop
from app.services import studies
from app.services.accounts.binding import refuse_open_binding
from app.services.accounts.first_visit import first_visit_key, way_in_file
from app.services.accounts.users import accounts_exist
from app.services.callers import LOCAL
from app.settings import Settings
from app.supervisor import Supervisor, address
from app.web import serve_here

Host = Annotated[str, typer.Option(help="A loopback address; another one once people have accounts.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Where pages and API are served.")]
Key = Annotated[bool, typer.Option(help="Ask for the first-visit key, for other users of this machine reach it too.")]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8050,
    browser: Annotated[bool, typer.Option(help="Open the page where there is a screen.")] = True,
    quickstart: Annotated[bool, typer.Option(help="Queue the quickstart study on the first start.")] = True,
    key: Key = True,
    as_json: AsJson = False,
) -> None:
    """Start web and worker, and the quickstart study on the first start."""
    settings = Settings()
    engine = migrated(settings)
    _refuse_unless_free(engine, host, port)
    queued = studies.queue_quickstart_once(engine, settings, LOCAL) if quickstart else None
    asked = _ask_for_key(engine, settings, key)
    engine.dispose()

    def ready(url: str) -> None:
        way_in = f"{url}/login?key={asked}" if asked else url
        if as_json:
            print_json({"url": url, "open": way_in, "home": str(settings.home_folder), "quickstart_study": queued})
        else:
            typer.echo(f"PEFT Atlas is at {way_in} (data in {settings.home_folder}). Ctrl-C stops it.")
        if queued is not None and not as_json:
            typer.echo(f"The quickstart study is running: {url}/studies/{queued}")
        if browser and _has_screen():
            webbrowser.open(way_in_file(settings.home_folder, way_in).as_uri() if asked else url)

    raise typer.Exit(Supervisor(host, port).run(ready))


def serve(host: Host = "127.0.0.1", port: Port = 8050, key: Key = True, as_json: AsJson = False) -> None:
    """Start the web process alone."""
    settings = Settings()
    engine = migrated(settings)
    _refuse_unless_free(engine, host, port)
    asked = _ask_for_key(engine, settings, key)
    engine.dispose()
    url = address(host, port)
    way_in = f"{url}/login?key={asked}" if asked else url
    if as_json:
        print_json({"url": url, "open": way_in, "home": str(settings.home_folder)})
    elif asked:
        typer.echo(f"Open {way_in}")
    # In this process: to begin another one would import everything a second time.
    serve_here(host, port)


def worker(device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu") -> None:
    """Start a worker alone."""
    os.execv(sys.executable, [sys.executable, "-m", "app.worker", "--device", device])


def _ask_for_key(engine: Engine, settings: Settings, wanted: bool) -> str | None:
    """The key that the web process will ask for; None where people log in, or somebody said that none is needed."""
    asked = wanted and not accounts_exist(engine)
    os.environ["PEFT_ATLAS_REQUIRE_KEY"] = str(asked).lower()
    return first_visit_key(settings.home_folder) if asked else None


def _refuse_unless_free(engine: Engine, host: str, port: int) -> None:
    """One sentence where the address is open to others and nobody has to log in, or where the port is taken."""
    refuse_open_binding(engine, host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            stop(f"Port {port} on {host} {reason}. Stop what uses it, or choose another: make run PORT=8051.")


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
