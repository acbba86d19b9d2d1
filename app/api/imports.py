"""POST imports: results that were taken elsewhere."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Request, Response, UploadFile

from app.api.context import AsMember
from app.schemas import LARGEST_ARCHIVE_BYTES, ImportReport, StudyView
from app.services import results
from app.services.imports import study_archive
from app.services.imports.hf_files import uploaded_files
from app.services.imports.hf_peft import import_results

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
def import_study(here: AsMember, content: Body, response: Response) -> StudyView:
    """Take over an exported study (json) with its results, or change nothing; 200 with the study that is there where
    the same file was imported before. Its runs are labelled imported: they were not measured by this installation."""
    found = study_archive.import_study(here.engine, here.caller, content)
    response.status_code = 201 if found.new else 200
    response.headers["location"] = f"/api/v1/studies/{found.study_id}"
    return results.study_view(here.engine, here.caller, found.study_id)


@router.post("/hf-peft")
def import_hf_peft(
    here: AsMember,
    files: Annotated[
        list[UploadFile],
        File(description="Result files, each named with its path: MetaMathQA/results/lora--llama-3.2-3B-rank32.json."),
    ],
) -> ImportReport:
    """Import result files. Each is imported, unchanged or refused with the reason; sending them again changes nothing.

    The folder above `results` names the study, which is made where there is none. Only what is sent is read.
    """
    parts = [(file.filename or "", file.file.read) for file in files]
    return import_results(here.engine, here.caller, uploaded_files(parts))
