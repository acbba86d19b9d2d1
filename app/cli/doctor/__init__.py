"""`doctor`: whether this machine can do its part of PEFT Atlas, and what to do where it cannot."""

from collections.abc import Iterator

import typer
from pydantic import ValidationError

from app.cli.doctor import access, assets, database, disk, hub, ports, python, secret_files, server, training, variables
from app.cli.doctor.finding import Finding, problem
from app.cli.processes import Host, Port
from app.cli.refusals import wrong_setting
from app.cli.terminal import REFUSED, AsJson, print_json
from app.settings import Settings

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def check_machine(host: Host = "127.0.0.1", port: Port = 8050, as_json: AsJson = False) -> None:
    """Check this machine and say what to do; exit code 1 where something does not work."""
    findings = []
    for found in _findings(host, port):
        findings.append(found)
        if not as_json:
            _tell(found)
    if as_json:
        print_json({"checks": findings})
    else:
        typer.echo(_verdict(findings))
    if any(found.status == "problem" for found in findings):
        raise typer.Exit(REFUSED)


def _findings(host: str, port: int) -> Iterator[Finding]:
    """One after the other, as they are found."""
    yield python.check()
    try:
        settings = Settings()
    except ValidationError as error:
        yield problem("settings", wrong_setting(error), "Set it to what README.md describes, or unset it.")
        return
    yield from variables.check()
    yield from training.check(settings)
    yield from disk.check(settings)
    yield from database.check(settings)
    yield from access.check(settings, host)
    yield from assets.check(settings)
    yield ports.check(host, port)
    yield from secret_files.check(settings)
    yield from hub.check(settings)
    yield from server.check(settings)


def _tell(found: Finding) -> None:
    typer.echo(f"{typer.style(f'{found.status:8}', fg=COLOURS[found.status])} {found.name:10} {found.detail}")
    if found.advice is not None:
        typer.echo(f"{'':19} -> {found.advice}")


def _verdict(findings: list[Finding]) -> str:
    problems, warnings = (sum(found.status == kind for found in findings) for kind in ("problem", "warning"))
    return f"{len(findings)} checks: {problems} problems, {warnings} warnings."
