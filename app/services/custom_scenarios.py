"""Scenarios that a team keeps: a name, weights, limits and a quality floor."""

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import IntegrityError

from app.db.session import database_now, team_session
from app.db.tables import CustomScenarioRow
from app.errors import Conflict, Invalid, NotFound
from app.language import tr
from app.schemas import MOST_CUSTOM_SCENARIOS, CustomScenario, CustomScenarioRequest
from app.services.callers import Caller
from peft_core.errors import UnknownName
from peft_core.scenario import scenario


def list_custom_scenarios(engine: Engine, caller: Caller) -> list[CustomScenario]:
    """The team's own scenarios by name."""
    with team_session(engine, caller.team_id) as session:
        found = session.scalars(select(CustomScenarioRow).order_by(CustomScenarioRow.name, CustomScenarioRow.id))
        return [_view(row) for row in found]


def keep_custom_scenario(engine: Engine, caller: Caller, asked: CustomScenarioRequest) -> CustomScenario:
    """Keep one. Raises Invalid, and Conflict where the name is taken or there are as many as are kept."""
    _check(asked)
    try:
        with team_session(engine, caller.team_id) as session:
            kept = session.scalar(select(func.count()).select_from(CustomScenarioRow)) or 0
            if kept >= MOST_CUSTOM_SCENARIOS:
                raise Conflict(tr("The team keeps {kept} scenarios already. Remove one first.", kept=kept))
            row = CustomScenarioRow(
                **asked.model_dump(),
                team_id=caller.team_id,
                created_by=caller.user,
                created_at=database_now(session),
            )
            session.add(row)
            session.flush()
            return _view(row)
    except IntegrityError:
        detail = tr("There is a scenario named “{name}” already. Choose another name.", name=asked.name)
        raise Conflict(detail, field="name") from None


def remove_custom_scenario(engine: Engine, caller: Caller, scenario_id: int) -> None:
    """Remove one for good. Raises NotFound."""
    with team_session(engine, caller.team_id) as session:
        row = session.scalar(select(CustomScenarioRow).where(CustomScenarioRow.id == scenario_id))
        if row is None:
            raise NotFound(tr("There is no scenario {id} of your team. It may have been removed.", id=scenario_id))
        session.delete(row)


def _check(asked: CustomScenarioRequest) -> None:
    if sum(asked.weights.values()) <= 0:
        raise Invalid(tr("At least one criterion needs a weight above 0."), field="weights")
    try:
        scenario(asked.scenario) if asked.scenario is not None else None
    except UnknownName as error:
        raise Invalid(str(error), field="scenario") from None


def _view(row: CustomScenarioRow) -> CustomScenario:
    fields = ("id", "name", "scenario", "weights", "constraints", "quality_floor", "created_by", "created_at")
    return CustomScenario.model_validate({name: getattr(row, name) for name in fields})
