"""GET guide/models, claims, sightings and POST guide/costs: what the Guide page shows beside its own words."""

from fastapi import APIRouter

from app.api.context import AsViewer
from app.schemas import Claims, CostsRequest, CostsView, Page, PublishedModelCard, Sightings
from app.services import chapter_costs, claim_verdicts, sightings

router = APIRouter(prefix="/guide", tags=["guide"])


@router.get("/models")
def list_models(here: AsViewer) -> Page[PublishedModelCard]:
    """Models whose configuration a paper prints, each with its number of parameters and its source."""
    return Page(items=chapter_costs.published_models())


@router.post("/costs")
def read_costs(here: AsViewer, request: CostsRequest) -> CostsView:
    """What the chapter's methods train, store, hold and compute on a base model, by named formulas alone."""
    return chapter_costs.costs(here.engine, here.settings, here.caller, request)


@router.get("/claims")
def read_claims(here: AsViewer) -> Claims:
    """Every claim of the chapter, how it is tested, and what the newest studies say of it."""
    return claim_verdicts.judge_claims(here.engine, here.caller)


@router.get("/sightings")
def read_sightings(here: AsViewer) -> Sightings:
    """The newest runs in which each symptom of the troubleshooting guide was found."""
    return sightings.sightings(here.engine, here.caller)
