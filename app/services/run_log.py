"""A run's log: page by page from either end, searched, or whole."""

from collections.abc import Iterator

from sqlalchemy import Engine, Select, select

from app.db.session import team_session
from app.db.tables import LogLineRow
from app.schemas import LogLine, Page
from app.services.callers import Caller
from app.services.runs import read_run

LINES_PER_PAGE = 500


def read_log(
    engine: Engine, caller: Caller, run_id: int, *, after: int = 0, before: int | None = None, query: str | None = None
) -> Page[LogLine]:
    """500 lines, the oldest first: those after line `after`, or the last ones before line `before`. next_cursor: the
    line to go on from in that direction. query: only lines that contain it."""
    with team_session(engine, caller.team_id) as session:
        read_run(session, run_id)
        wanted = _lines(run_id, query).where(LogLineRow.id > after)
        if before is None:
            rows = list(session.scalars(wanted.order_by(LogLineRow.id).limit(LINES_PER_PAGE + 1)))
        else:
            backwards = wanted.where(LogLineRow.id < before).order_by(LogLineRow.id.desc())
            rows = list(session.scalars(backwards.limit(LINES_PER_PAGE + 1)))
        more, shown = len(rows) > LINES_PER_PAGE, rows[:LINES_PER_PAGE]
        cursor = str(shown[-1].id) if more else None
        ordered = shown if before is None else shown[::-1]
        return Page[LogLine](items=[_line(row) for row in ordered], next_cursor=cursor)


def whole_log(engine: Engine, caller: Caller, run_id: int) -> Iterator[str]:
    """The log as text, page by page. Raises NotFound where there is no such run, before the first page."""
    page = read_log(engine, caller, run_id)
    return _whole_log(engine, caller, run_id, page)


def _whole_log(engine: Engine, caller: Caller, run_id: int, page: Page[LogLine]) -> Iterator[str]:
    while True:
        yield "".join(f"{line.at.isoformat()}  {line.message}\n" for line in page.items)
        if page.next_cursor is None:
            return
        page = read_log(engine, caller, run_id, after=int(page.next_cursor))


def _lines(run_id: int, query: str | None) -> Select[LogLineRow]:
    wanted = select(LogLineRow).where(LogLineRow.run_id == run_id)
    return wanted.where(LogLineRow.message.icontains(query, autoescape=True)) if query else wanted


def _line(row: LogLineRow) -> LogLine:
    return LogLine(id=row.id, at=row.at, message=row.message)
