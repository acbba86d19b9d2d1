"""POST imports: results that were measured elsewhere."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.api.context import Here
from app.schemas import LARGEST_ARCHIVE_BYTES, StudyView
from app.services import results
from app.services.imports import study_archive

router = APIRouter(prefix="/imports", tags=["imports"])


async def _whole_body(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_whole_body)]
"""What was sent, as it is: read as a document by the service, outside the event loop."""
A_STUDY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/StudyDocument"}}},
    }
}


@router.post("/study", status_code=201, max_body_size=LARGEST_ARCHIVE_BYTES, openapi_extra=A_STUDY)
def import_study(here: Here, content: Body, response: Response) -> StudyView:
    """Take over an exported study (json) with its results, or change nothing; 200 with the study that is there where
    the same file was imported before. Its runs are labelled imported: they were not measured by this installation."""
    found = study_archive.import_study(here.engine, here.caller, content)
    response.status_code = 201 if found.new else 200
    response.headers["location"] = f"/api/v1/studies/{found.study_id}"
    return results.study_view(here.engine, here.caller, found.study_id)
