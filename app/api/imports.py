"""POST imports/hf-peft: published results of Hugging Face's method comparison."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile

from app.api.context import Here
from app.schemas import ImportReport
from app.services.imports.hf_files import uploaded_files
from app.services.imports.hf_peft import import_results

router = APIRouter(prefix="/imports", tags=["imports"])


@router.post("/hf-peft")
def import_hf_peft(
    here: Here,
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
