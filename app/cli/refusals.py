"""Where errors end: each is one sentence and an exit code, whichever command met it."""

from typing import Any

import httpx
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from app.cli.terminal import NOT_ALLOWED, REFUSED, UNREACHABLE, stop
from app.client import ApiProblem
from app.errors import AtlasError
from app.settings import Settings
from peft_core.errors import PeftCoreError

NOT_ALLOWED_STATUSES = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
PREFIX = "PEFT_ATLAS_"


class Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (AtlasError, PeftCoreError, ApiProblem) as error:
            stop(str(error), exit_code(error))
        except httpx.TransportError as error:
            stop(f"The server of {PREFIX}URL does not answer: {error or type(error).__name__}.", UNREACHABLE)
        except DBAPIError as error:
            stop(f"The database refuses: {_first_line(error.orig)}. `peft-atlas doctor` says what is wrong.")
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            stop(wrong_setting(error))


def exit_code(error: Exception) -> int:
    """What the command ends with where an installation refuses."""
    not_allowed = isinstance(error, ApiProblem) and error.status in NOT_ALLOWED_STATUSES
    return NOT_ALLOWED if not_allowed else REFUSED


def wrong_setting(error: ValidationError) -> str:
    """The first variable that cannot be read, and why."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    variable = name if name.isupper() else PREFIX + name.upper()
    return f"{variable}: {first['msg']}."


def wrong_field(error: ValidationError) -> str:
    """The first field of a document that cannot be what it was given, and why."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
