"""The licences of what requirements.lock pins, as docs/licences.md: `make licences`, `python -m tests.licences`."""

import json
import re
import subprocess
import sys

from packaging.utils import canonicalize_name

from tests.dependencies import PYTHONS, ROOT, SYSTEMS, closure, environment, pins, requirements

PAGE = ROOT / "docs" / "licences.md"
NEEDED_BY = {"web": (), "worker": ("worker",), "development": ("dev",)}
"""Who needs a package -> the extras of pyproject.toml that bring it."""

NAMES = {
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What metadata calls a licence -> its usual short name."""

STATED_ELSEWHERE = {"axe-playwright-python": "MIT AND MPL-2.0"}
"""Packages whose metadata says nothing: their own licence file, and that of the axe-core they carry."""

PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC"}
    | {"LLVM-exception", "MIT", "MIT-0", "PSF-2.0", "Zlib"}
)
COPYLEFT = {
    "LGPL-3.0-only": "a library that is installed beside ours, unchanged, and may be exchanged for another build",
    "MPL-2.0": "its terms hold for its own files, of which we change none",
}
"""Licences that ask something in return -> why they may stand here all the same."""

HEAD = """# Licences of the dependencies

PEFT Atlas itself is under the Apache License 2.0. This page lists what it stands on: every package that
`requirements.lock` pins, under the licence that the package's own metadata states. `make licences` writes it; a test
compares it with the lock, and refuses a licence that is neither permissive nor named here with a reason.
"""
FOOT = """
Not listed: the libraries that a CUDA build of PyTorch brings (NVIDIA's own terms), the optional `ray`
(Apache-2.0), the packages of the operating system inside a container image, and the models and data that can be
installed, whose licences *New study* and `GET /api/v1/tasks` state.
"""


def stated_licences() -> dict[str, str]:
    """Name -> licence of every installed package, in short names joined by AND and OR."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {canonicalize_name(package["Name"]): short(package["Name"], package["License"]) for package in listed}


def short(package: str, stated: str) -> str:
    """A licence as this page names it. "DFSG approved" is a judgement of others and no licence."""
    stated = STATED_ELSEWHERE.get(package, stated)
    parts = [NAMES.get(part, part) for part in stated.split("; ") if part != "DFSG approved"]
    return " AND ".join(parts)


def parts(licence: str) -> set[str]:
    """The licences that an expression names."""
    return set(re.split(r" (?:AND|OR|WITH) ", licence))


def needed_by() -> dict[str, str]:
    """Name -> who needs it first: the web, the worker, or only development."""
    found: dict[str, str] = {}
    for who, extras in NEEDED_BY.items():
        for python in PYTHONS:
            for system in SYSTEMS:
                for name in closure(requirements(*extras), environment(python, *system)):
                    found.setdefault(name, who)
    return found


def page() -> str:
    """docs/licences.md, of what is installed at the pinned versions."""
    licences, users = stated_licences(), needed_by()
    rows = [f"| {name} | {version} | {licences[name]} | {users[name]} |" for name, version in pins().items()]
    copyleft = [f"- **{licence}**: {reason}." for licence, reason in COPYLEFT.items()]
    return "\n".join(
        [
            HEAD,
            "## Copyleft licences among them, and why they may be\n",
            *copyleft,
            "\n## All packages\n",
            "| package | version | licence | needed by |",
            "|---|---|---|---|",
            *rows,
            FOOT,
        ]
    )


def listed() -> dict[str, tuple[str, str]]:
    """Name -> version and licence, as the page has them."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+?) \| (?:web|worker|development) \|$", PAGE.read_text("utf-8"), re.M)
    return {name: (version, licence) for name, version, licence in rows}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
