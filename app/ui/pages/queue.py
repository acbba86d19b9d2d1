"""Queue: every run, filtered; cancel and retry; which study goes first; and who works through it."""

from dataclasses import dataclass
from typing import Any

from dash import Input, Output, State, ctx, dcc, html, no_update, register_page

from app.client import ApiProblem, AtlasClient
from app.language import filled, tr
from app.schemas import Page, RunView, StudyView, WorkerView
from app.ui import live
from app.ui.elements import page_head, panel
from app.ui.numbers import by_formula, show
from app.ui.policy import reading, writing
from app.ui.queue import asking, filters
from app.ui.queue.question import Question
from app.ui.queue.rows import run_rows
from app.ui.queue.studies import UNDER_WAY, study_rows
from app.ui.queue.workers import worker_rows
from app.ui.session import client
from app.ui.states import error, same_when_alive, worker_is_down

register_page(__name__, path="/runs", name="Queue", title=lambda: tr("Queue · PEFT Atlas"))
filters.register()
asking.register()

MOST_STUDIES = 100
PARTS = ("answer", "note", "rows", "studies", "workers")


@dataclass(frozen=True)
class QueueNow:
    """What the page shows of a question. studies: those under way."""

    page: Page[RunView]
    studies: list[StudyView]
    workers: list[WorkerView]


async def _read(api: AtlasClient, what: str) -> QueueNow:
    page = await api.runs(**Question.from_text(what).filters())
    studies = (await api.studies(limit=MOST_STUDIES)).items
    under_way = [study for study in studies if study.status in UNDER_WAY]
    return QueueNow(page, under_way, same_when_alive(await api.devices()))


live.follow("queue", _read)


async def layout(study_id: str = "", **query: str) -> Any:
    """The whole page at once, as the address says it."""
    question = Question.of({"study": study_id} | query)
    try:
        now = await live.read("queue", question.text())
        studies = (await client().studies(limit=MOST_STUDIES)).items
    except ApiProblem as problem:
        return error(tr("The queue could not be read"), problem.detail)
    answer, note, rows, waiting, workers = _parts(now, question)
    return html.Div(
        [
            live.following("queue", question.text(), now),
            dcc.Store(id="queue-asked", data={"cursor": question.cursor, **_choices(question)}),
            dcc.Store(id="queue-click"),
            dcc.Store(id="queue-done"),
            dcc.Store(id="queue-stop-run"),
            page_head(tr("Queue"), html.Span(answer, id="queue-answer")),
            html.Div(id="queue-refused", className="problem"),
            html.Div(note, id="queue-note", className="problem"),
            panel(tr("Runs"), html.Div(rows, id="queue-rows"), filters.filters(question, studies)),
            html.Div(
                [
                    panel(tr("Studies in the queue"), html.Div(waiting, id="queue-studies")),
                    panel(tr("Workers"), html.Div(workers, id="queue-workers")),
                ],
                className="queue-side",
            ),
            asking.confirmation(),
        ],
        className="queue-page",
    )


def _choices(question: Question) -> dict[str, str]:
    return {name: getattr(question, name) for name in filters.CONTROLS}


def _parts(now: QueueNow, question: Question) -> tuple[Any, Any, Any, Any, Any]:
    devices = {worker.name: worker.device for worker in now.workers}
    return (
        _answer(now.page),
        worker_is_down(now.workers, sum(study.counts.queued for study in now.studies)),
        run_rows(now.page, question, devices),
        study_rows(now.studies),
        worker_rows(now.workers),
    )


def _answer(page: Page[RunView]) -> list[Any]:
    running = [run for run in page.items if run.status == "running"]
    if not running:
        return [tr("Nothing is running.")]
    timed = [(run.eta_seconds, run.id) for run in running if run.eta_seconds is not None]
    if not timed:
        return [tr("Training now.")]
    seconds, run_id = min(timed)
    left = show(by_formula(seconds, "seconds", f"eta(run {run_id})"))
    return filled("Training now; the next one ends in {time}.", time=left)


@writing(
    Output("queue-refused", "children"),
    Output("queue-done", "data"),
    Input("queue-click", "data"),
    prevent_initial_call=True,
)
async def do(click: dict[str, Any]) -> Any:
    """What a button asks for; the rows follow."""
    return await asking.ask(client(), click), click["at"]


@reading(
    *(Output(f"queue-{part}", "children") for part in PARTS),
    Output("queue-mark", "data-what"),
    Output("queue-mark", "data-seen"),
    Input("queue-live", "data"),
    Input("queue-asked", "data"),
    Input("queue-done", "data"),
    State("queue-mark", "data-what"),
    prevent_initial_call=True,
)
async def refresh(_version: str, asked: dict[str, str], _done: int, followed: str) -> Any:
    """The page as it is now; read anew where the person has just asked for something."""
    question = Question.of(asked)
    try:
        look = live.latest if ctx.triggered_id == "queue-live" else live.read
        now = await look("queue", question.text())
    except ApiProblem as problem:
        told = error(tr("The queue could not be read"), problem.detail)
        return no_update, told, no_update, no_update, no_update, no_update, no_update
    changed = question.text() != followed
    seen = (question.text(), live.version_of(now)) if changed else (no_update, no_update)
    return *_parts(now, question), *seen
