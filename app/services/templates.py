"""Study documents that a team keeps to start from."""

from sqlalchemy import Engine, func, select

from app.db.session import database_now, team_session, write_lock
from app.db.tables import StudyTemplate
from app.errors import Conflict, NotFound
from app.schemas import StudyDocument, TemplateEntry, TemplateView
from app.services.callers import Caller
from app.services.studies import check_name

MOST_TEMPLATES = 200
"""Of a team: a list that a person can look through."""


def list_templates(engine: Engine, caller: Caller) -> list[TemplateView]:
    """The team's templates by name."""
    with team_session(engine, caller.team_id) as session:
        return [_view(row) for row in session.scalars(select(StudyTemplate).order_by(StudyTemplate.name))]


def keep_template(engine: Engine, caller: Caller, entry: TemplateEntry) -> TemplateView:
    """Keep a document under a name. Raises Conflict where the name is taken or there are too many.

    What the document names is not checked: a template may wait for a model or dataset that is not there yet.
    """
    check_name(entry.name)
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        if session.scalar(select(StudyTemplate).where(StudyTemplate.name == entry.name)) is not None:
            raise Conflict(f"There is a template named {entry.name!r}. Delete it first, or choose another name.")
        if (session.scalar(select(func.count()).select_from(StudyTemplate)) or 0) >= MOST_TEMPLATES:
            raise Conflict(f"{MOST_TEMPLATES} templates are kept at most. Delete some first.")
        row = StudyTemplate(
            name=entry.name,
            document=entry.document.model_dump(mode="json", exclude={"results"}),
            created_at=database_now(session),
            created_by=caller.user,
        )
        session.add(row)
        session.flush()
        return _view(row)


def delete_template(engine: Engine, caller: Caller, template_id: int) -> None:
    """Delete a template; studies that were launched from it stay."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        row = session.scalar(select(StudyTemplate).where(StudyTemplate.id == template_id))
        if row is None:
            raise NotFound(f"There is no template {template_id}.")
        session.delete(row)


def _view(row: StudyTemplate) -> TemplateView:
    return TemplateView(
        id=row.id,
        name=row.name,
        document=StudyDocument.model_validate(row.document),
        created_at=row.created_at,
        created_by=row.created_by,
    )
