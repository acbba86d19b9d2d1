"""GET, POST and DELETE templates, and study documents as text."""

from fastapi import APIRouter, Response

from app.api.context import AsMember, AsViewer, RowId
from app.schemas import Page, StudyDocument, StudyText, TemplateEntry, TemplateView
from app.services import study_text, templates

router = APIRouter(tags=["templates"])


@router.get("/templates")
def list_templates(here: AsViewer) -> Page[TemplateView]:
    """The study documents that the team keeps to start from, by name."""
    return Page(items=templates.list_templates(here.engine, here.caller))


@router.post("/templates", status_code=201)
def keep_template(here: AsMember, entry: TemplateEntry, response: Response) -> TemplateView:
    """Keep a study document under a name."""
    kept = templates.keep_template(here.engine, here.caller, entry)
    response.headers["location"] = f"/api/v1/templates/{kept.id}"
    return kept


@router.delete("/templates/{template_id}", status_code=204)
def delete_template(here: AsMember, template_id: RowId) -> None:
    """Delete a template; studies that were launched from it stay."""
    templates.delete_template(here.engine, here.caller, template_id)


@router.post("/study-documents/read")
def read_text(here: AsViewer, text: StudyText) -> StudyDocument:
    """The study document of a YAML text; a refusal names the line and the field. Nothing is launched."""
    return study_text.read_text(text.yaml)


@router.post("/study-documents/write")
def write_text(here: AsViewer, document: StudyDocument) -> StudyText:
    """A study document as YAML, which `peft-atlas study run` and the form read again."""
    return StudyText(yaml=study_text.as_text(document))
