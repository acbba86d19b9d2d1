"""What happened in a run since a reader last looked: log lines, points of its series, and how it stands now."""

from dataclasses import dataclass, field, replace

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session
from app.db.tables import LogLineRow, SeriesPointRow
from app.errors import Invalid
from app.language import tr
from app.schemas import LogLine, RunView, StreamedPoint
from app.services.callers import Caller
from app.services.runs import read_run, run_view

MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Cursor:
    """How far a reader has read: the last log line, and the last step with the points it has had of it.

    As text, which is a Server-Sent Event's id, the step alone: after a lost connection the points of that step come
    again, for one that was not yet written may be among them.
    """

    line: int = 0
    step: int = -1
    had: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.line}.{self.step}"


@dataclass(frozen=True)
class News:
    """What is new, the cursor after it, and whether all has been told."""

    run: RunView
    cursor: Cursor
    lines: list[LogLine] = field(default_factory=list)
    points: list[StreamedPoint] = field(default_factory=list)
    ended: bool = False


def read_cursor(text: str | None) -> Cursor:
    """The cursor that `str` gave; from the beginning where there is none. Raises Invalid."""
    if not text:
        return Cursor()
    line, _, step = text.partition(".")
    if not (line.isdecimal() and step.removeprefix("-").isdecimal() and len(text) < 40 and text.isascii()):
        raise Invalid(tr("This Last-Event-ID did not come from this stream. Leave it out to start again."))
    return Cursor(int(line), int(step))


def read_news(engine: Engine, caller: Caller, run_id: int, cursor: Cursor) -> News:
    """What was written since `cursor`, at most 500 lines and 500 points; NotFound where there is no such run."""
    with team_session(engine, caller.team_id) as session:
        run = read_run(session, run_id)
        lines, points = _lines(session, run_id, cursor), _points(session, run_id, cursor)
        view = run_view(run, database_now(session))
    after = _after(cursor, lines, points)
    ended = run.status not in ("queued", "running") and not (lines or points)
    return News(view, after, lines, points, ended)


def _lines(session: Session, run_id: int, cursor: Cursor) -> list[LogLine]:
    query = select(LogLineRow).where(LogLineRow.run_id == run_id, LogLineRow.id > cursor.line)
    rows = session.scalars(query.order_by(LogLineRow.id).limit(MOST_AT_ONCE))
    return [LogLine(id=row.id, at=row.at, message=row.message) for row in rows]


def _points(session: Session, run_id: int, cursor: Cursor) -> list[StreamedPoint]:
    query = select(SeriesPointRow).where(SeriesPointRow.run_id == run_id, SeriesPointRow.step >= cursor.step)
    rows = session.scalars(query.order_by(SeriesPointRow.step, SeriesPointRow.key).limit(MOST_AT_ONCE))
    points = [StreamedPoint(key=row.key, step=row.step, value=row.value) for row in rows]
    return [point for point in points if point.step > cursor.step or point.key not in cursor.had]


def _after(cursor: Cursor, lines: list[LogLine], points: list[StreamedPoint]) -> Cursor:
    if lines:
        cursor = replace(cursor, line=lines[-1].id)
    if points:
        step = points[-1].step
        had = frozenset(point.key for point in points if point.step == step)
        cursor = replace(cursor, step=step, had=had | cursor.had if step == cursor.step else had)
    return cursor
