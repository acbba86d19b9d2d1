"""The environment variables of the product."""

from collections.abc import Iterator
from difflib import get_close_matches

from app.cli.doctor.finding import Finding, ok, warning
from app.settings import Settings, given_variables

PREFIX = "PEFT_ATLAS_"


def check() -> Iterator[Finding]:
    """Which are set, and which of them nothing reads: a mistyped name is otherwise never noticed."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = given_variables(PREFIX)
    read = [name for name in given if name in known]
    yield ok("settings", f"set: {', '.join(read)}" if read else "none is set")
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"Rename it to {near[0]}, or unset it." if near else "Unset it; README.md lists the variables."
            yield warning("settings", f"{name} is read by nothing", advice)
