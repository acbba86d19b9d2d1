"""GET, POST, DELETE scenarios/custom: the weights and limits that a team keeps under a name."""

from fastapi import APIRouter

from app.api.context import AsMember, AsViewer, RowId
from app.schemas import CustomScenario, CustomScenarioRequest, Page
from app.services import custom_scenarios

router = APIRouter(prefix="/scenarios/custom", tags=["recommendations"])


@router.get("")
def list_custom_scenarios(here: AsViewer) -> Page[CustomScenario]:
    """The team's own scenarios by name."""
    return Page(items=custom_scenarios.list_custom_scenarios(here.engine, here.caller))


@router.post("", status_code=201)
def keep_custom_scenario(here: AsMember, request: CustomScenarioRequest) -> CustomScenario:
    """Keep weights, limits and a quality floor under a name; 409 where the name is taken."""
    return custom_scenarios.keep_custom_scenario(here.engine, here.caller, request)


@router.delete("/{scenario_id}", status_code=204)
def remove_custom_scenario(here: AsMember, scenario_id: RowId) -> None:
    """Remove a scenario of the team's own; the recommendations that it was asked for stay as they are."""
    custom_scenarios.remove_custom_scenario(here.engine, here.caller, scenario_id)
