"""The port that pages are served on."""

import errno
import socket

import httpx
import psutil

from app.cli.doctor.finding import Finding, ok, problem, warning

ANSWER_SECONDS = 5


def check(host: str, port: int) -> Finding:
    """Free, or who answers there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return _taken(host, port)
            advice = "Name an address of this machine by --host, and a port above 1023 by --port."
            return problem("port", f"{port} on {host} cannot be used: {error.strerror}", advice)
    return ok("port", f"{port} on {host} is free")


def _taken(host: str, port: int) -> Finding:
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        healthy = httpx.get(f"{url}/api/v1/healthz", timeout=ANSWER_SECONDS, trust_env=False)
        ready = httpx.get(f"{url}/api/v1/readyz", timeout=ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return _another(host, port)
    if healthy.status_code != httpx.codes.OK or not healthy.text.startswith('{"status"'):
        return _another(host, port)
    if ready.status_code != httpx.codes.OK:
        advice = "Do what it says; see the checks of disk and database above."
        return warning("port", f"PEFT Atlas answers at {url}, but is not ready: {ready.text[:200]}", advice)
    return ok("port", f"PEFT Atlas answers at {url}")


def _another(host: str, port: int) -> Finding:
    advice = f"Stop what uses it, or choose another: `peft-atlas up --port {port + 1}`."
    return problem("port", f"{port} on {host} is taken by {_holder(port)}", advice)


def _holder(port: int) -> str:
    try:
        listening = [found for found in psutil.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
        pid = next((found.pid for found in listening if found.laddr.port == port), None)
        return "another process" if pid is None else f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return "another process"
