"""POST and GET studies, and what a study shows."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse

from app.api.context import AsMember, AsViewer, RowId
from app.schemas import (
    LARGEST_ARCHIVE_BYTES,
    Comparison,
    Environments,
    ExtensionView,
    Page,
    PredictedCosts,
    RunsElsewhere,
    RunView,
    SignificanceView,
    StudyDocument,
    StudyExtension,
    StudyPatch,
    StudyView,
)
from app.services import differences, environments, exports, extend, idempotency, predicted_costs, results, studies
from app.services.imports import elsewhere

router = APIRouter(prefix="/studies", tags=["studies"])
FORMS: dict[str, Any] = {form.media_type.partition(";")[0]: {} for form in exports.FORMATS.values()}
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]


@router.post("", status_code=201, max_body_size=LARGEST_ARCHIVE_BYTES)
def create_study(here: AsMember, document: StudyDocument, response: Response, key: Key = None) -> StudyView:
    """Check the document whole and queue all its runs, or change nothing. The same Idempotency-Key with the same
    document answers the study that was made the first time."""
    study_id = idempotency.once(
        here.engine,
        here.caller,
        key,
        document.model_dump_json(),
        lambda remember: studies.create_study(here.engine, here.settings, here.caller, document, remember),
    )
    response.headers["location"] = f"/api/v1/studies/{study_id}"
    return results.study_view(here.engine, here.caller, study_id)


@router.get("")
def list_studies(
    here: AsViewer,
    q: Annotated[str | None, Query(max_length=200)] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[StudyView]:
    """Studies, the newest first; `q` finds part of a name, `tag` those that have it."""
    return results.list_studies(here.engine, here.caller, query=q, tag=tag, cursor=cursor, limit=limit)


@router.get("/{study_id}")
def read_study(here: AsViewer, study_id: RowId) -> StudyView:
    """One study."""
    return results.study_view(here.engine, here.caller, study_id)


@router.patch("/{study_id}")
def change_study(here: AsMember, study_id: RowId, patch: StudyPatch) -> StudyView:
    """Give a study another name or priority."""
    studies.change_study(here.engine, here.caller, study_id, patch)
    return results.study_view(here.engine, here.caller, study_id)


@router.delete("/{study_id}", status_code=204)
def delete_study(here: AsMember, study_id: RowId) -> None:
    """Delete a study, its runs and measurements."""
    studies.delete_study(here.engine, here.settings, here.caller, study_id)


@router.post("/{study_id}/cancel")
def cancel_study(here: AsMember, study_id: RowId) -> StudyView:
    """Cancel what is queued and stop what runs."""
    studies.cancel_study(here.engine, here.caller, study_id)
    return results.study_view(here.engine, here.caller, study_id)


@router.post("/{study_id}/extend")
def extend_study(here: AsMember, study_id: RowId, extension: StudyExtension, key: Key = None) -> ExtensionView:
    """Queue the methods, seeds and learning rates that the study lacks, or change nothing. The same Idempotency-Key
    with the same extension answers what was added the first time."""
    added = extend.extend_study(here.engine, here.settings, here.caller, study_id, extension, key)
    return ExtensionView(study=results.study_view(here.engine, here.caller, study_id), **dict(added))


@router.post("/{study_id}/runs", status_code=201)
def add_runs(here: AsMember, study_id: RowId, runs: RunsElsewhere, key: Key = None) -> Page[RunView]:
    """Take runs that were trained elsewhere into the study, all or none; their source is "imported". The same
    Idempotency-Key with the same runs answers those that were made the first time."""
    return elsewhere.add_runs(here.engine, here.caller, study_id, runs, key)


@router.get("/{study_id}/comparison")
def read_comparison(here: AsViewer, study_id: RowId) -> Comparison:
    """Methods by metrics: cells, differences to full fine-tuning, tuning, and what they show in a sentence."""
    return results.comparison(here.engine, here.caller, study_id)


@router.get("/{study_id}/significance")
def read_significance(here: AsViewer, study_id: RowId) -> SignificanceView:
    """Every method against the best and against the reference: differences, tests, and which are tied."""
    return differences.significance(here.engine, here.caller, study_id)


@router.get("/{study_id}/environments")
def read_environments(here: AsViewer, study_id: RowId) -> Environments:
    """Hardware and versions of the study's runs, and where they are not the same for all."""
    return environments.environments(here.engine, here.caller, study_id)


@router.get("/{study_id}/predicted-costs")
def read_predicted_costs(here: AsViewer, study_id: RowId) -> PredictedCosts:
    """What could be said of the study's costs before its launch, beside what its runs measured."""
    return predicted_costs.predicted_costs(here.engine, here.caller, study_id)


@router.get("/{study_id}/export", response_class=Response, responses={200: {"content": FORMS}})
def export_study(here: AsViewer, study_id: RowId, format: exports.Format = "json") -> Response:
    """The study with all it has measured (json), the document that makes it again (yaml), its cells as a table (csv,
    md), or a report of one file to read and to print (html)."""
    text = exports.export_study(here.engine, here.caller, study_id, format)
    headers = {"content-disposition": f'attachment; filename="study-{study_id}.{format}"'}
    return PlainTextResponse(text, media_type=exports.FORMATS[format].media_type, headers=headers)
