"""The commands that start the product's processes."""

import errno
import ipaddress
import os
import socket
import sys
import webbrowser
from typing import Annotated

import typer

from app.cli.terminal import migrated, stop, told
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings

Host = Annotated[str, typer.Option(help="A loopback address.")]
Port = Annotated[int, typer.Option(min=1, max=65535)]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8050,
    browser: bool = True,
    quickstart: Annotated[bool, typer.Option(help="Queue the quickstart study on the first start.")] = True,
) -> None:
    """Start web and worker, and the quickstart study on the first start."""
    from app.supervisor import Supervisor

    _refuse_unless_free(host, port)
    settings = Settings()
    engine = migrated(settings)
    queued = told(lambda: studies.queue_quickstart_once(engine, settings, LOCAL)) if quickstart else None
    engine.dispose()

    def ready(url: str) -> None:
        typer.echo(f"PEFT Atlas is at {url} (data in {settings.home_folder}). Ctrl-C stops it.")
        if queued is not None:
            typer.echo(f"The quickstart study is running: {url}/studies/{queued}")
        if browser and _has_screen():
            webbrowser.open(url)

    raise typer.Exit(Supervisor(host, port).run(ready))


def serve(host: Host = "127.0.0.1", port: Port = 8050) -> None:
    """Start the web process alone."""
    _refuse_unless_free(host, port)
    os.execv(sys.executable, [sys.executable, "-m", "app.web", "--host", host, "--port", str(port)])


def worker(device: str = "cpu") -> None:
    """Start a worker alone."""
    os.execv(sys.executable, [sys.executable, "-m", "app.worker", "--device", device])


def _refuse_unless_free(host: str, port: int) -> None:
    """One sentence where the address is not loopback, or the port is taken."""
    if not _is_loopback(host):
        stop(f"{host} is not a loopback address. PEFT Atlas has no accounts yet, so it answers on this machine only.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            stop(f"Port {port} on {host} {reason}. Stop what uses it, or choose another: make run PORT=8051.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
