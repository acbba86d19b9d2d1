"""Files that hold secrets, which nobody but their owner should read."""

import stat
from collections.abc import Iterator

from app.cli.doctor.finding import Finding, ok, problem, warning
from app.settings import Settings

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OF_THE_HOME = ("*-key", "open.html")
"""Keys, and the page that leads in by one."""


def check(settings: Settings) -> Iterator[Finding]:
    """Those that the product makes, and those that variables name, as container secrets are."""
    own = [file for pattern in OF_THE_HOME for file in settings.home_folder.glob(pattern)]
    variables = [getattr(settings, name) for name in Settings.model_fields if name.endswith("_file")]
    named = [file for file in variables if file is not None]
    seen = [file for file in (*own, *named) if file.stat().st_mode & OTHERS]
    for file in seen:
        detail = f"{file} can be read by other users ({stat.filemode(file.stat().st_mode)})"
        yield (problem if file in own else warning)("secrets", detail, f"Run `chmod 600 {file}`.")
    if not seen:
        yield ok("secrets", f"{len(own) + len(named)} files with secrets, of which other users read none")
