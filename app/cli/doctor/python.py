"""The Python that runs this."""

import platform
import sys

from app.cli.doctor.finding import Finding, ok, problem

OLDEST, NEWEST = (3, 11), (3, 13)


def check() -> Finding:
    """Whether it is one that the packages are pinned for."""
    detail = f"{platform.python_version()} at {sys.executable}"
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return ok("python", detail)
    return problem("python", detail, "Install Python 3.11, 3.12 or 3.13 and run `make setup` again.")
