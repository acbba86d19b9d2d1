"""Scenarios of a team's own: weights and limits under a name."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from app.schemas.document import Document
from peft_core.scenario import ConstraintName, Criterion

MOST_CUSTOM_SCENARIOS = 50


class CustomScenarioRequest(Document):
    """A case worth keeping. scenario: the one it was made from, whose metrics stand behind its criteria."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    scenario: Annotated[str, Field(max_length=100)] | None = None
    weights: dict[Criterion, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]]
    constraints: dict[ConstraintName, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    quality_floor: Annotated[float, Field(ge=0, le=1)] = 0.95


class CustomScenario(CustomScenarioRequest):
    """The same as it is kept, for everybody of the team."""

    id: int
    created_by: str
    created_at: datetime
