"""What a check has found."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Finding(BaseModel):
    """One line of the doctor. advice: what to do; None where nothing has to be done."""

    model_config = ConfigDict(frozen=True)

    name: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    advice: str | None = None


def ok(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(name=name, status="ok", detail=detail)


def warning(name: str, detail: str, advice: str) -> Finding:
    """It works, but not as it could."""
    return Finding(name=name, status="warning", detail=detail, advice=advice)


def problem(name: str, detail: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(name=name, status="problem", detail=detail, advice=advice)
