"""What the run page asks of the API beyond a run itself: curves, log, files, the queue's order, examples."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import system_session
from app.db.tables import ArtifactRow, Configuration, LogLineRow, Run, Study
from app.schemas import MethodEntry, StudyDocument
from app.services import run_queue, studies
from app.services.callers import LOCAL
from app.services.run_files import CHUNK_BYTES, zipped
from app.services.store import object_path
from app.settings import Settings
from peft_core.spec import Budget
from tests.flow.finished_run import STEPS, leave_healthy
from tests.flow.finished_study import insert

pytestmark = pytest.mark.anyio


def reports(session: Session, method: str) -> list[Run]:
    wanted = select(Run).join(Configuration, Configuration.id == Run.configuration_id)
    of_method = wanted.where(Configuration.method == method, Run.purpose == "report", Run.status == "succeeded")
    return list(session.scalars(of_method.order_by(Run.id)))


@pytest.fixture
def lora(engine: Engine) -> int:
    """A reporting run of LoRA in a finished study, with its curves and those of full fine-tuning."""
    with system_session(engine) as session:
        insert(session, team_id=1)
        for method in ("lora", "full"):
            leave_healthy(session, reports(session, method)[0], 0.94)
        return reports(session, "lora")[0].id


# -- curves -----------------------------------------------------------------------------------------------------------


async def test_all_curves_come_at_once_beside_full_fine_tuning_of_the_same_seed(
    api: httpx.AsyncClient, engine: Engine, lora: int
) -> None:
    answer = (await api.get(f"/api/v1/runs/{lora}/curves", params={"max_points": 50})).json()
    found = {series["key"]: series for series in answer["series"]}
    assert set(found) == {"train_loss", "gradient_norm", "learning_rate", "tokens_per_second"}
    assert all(20 <= len(series["points"]) <= 50 < series["total"] == STEPS for series in found.values())
    assert [found["train_loss"]["points"][place]["step"] for place in (0, -1)] == [1, STEPS]
    with system_session(engine) as session:
        full = session.get_one(Run, answer["full"]["run_id"])
        assert (full.configuration.method, full.seed) == ("full", session.get_one(Run, lora).seed)
    assert 30 <= len(answer["full"]["series"]["points"]) <= 50


async def test_values_of_a_table_are_at_steps_that_all_series_have(api: httpx.AsyncClient, lora: int) -> None:
    asked = {"max_points": 50, "evenly": True}
    answer = (await api.get(f"/api/v1/runs/{lora}/curves", params=asked)).json()
    steps = {tuple(point["step"] for point in series["points"]) for series in answer["series"]}
    assert [len(same) for same in steps] == [50]


async def test_full_fine_tuning_is_not_drawn_beside_itself(api: httpx.AsyncClient, engine: Engine, lora: int) -> None:
    with system_session(engine) as session:
        full = reports(session, "full")[0].id
    assert (await api.get(f"/api/v1/runs/{full}/curves")).json()["full"] is None
    assert (await api.get(f"/api/v1/runs/{full}")).json()["full_run"] is None


async def test_more_points_than_a_screen_can_show_are_refused(api: httpx.AsyncClient, lora: int) -> None:
    assert (await api.get(f"/api/v1/runs/{lora}/curves", params={"max_points": 501})).status_code == 422


# -- log --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def long_log(engine: Engine, lora: int) -> int:
    with system_session(engine) as session:
        at = datetime(2026, 3, 2, tzinfo=UTC)
        session.add_all(
            LogLineRow(team_id=1, run_id=lora, at=at + timedelta(seconds=place), message=f"step {place}: 50% done")
            for place in range(1_200)
        )
    return lora


async def test_a_long_log_is_read_from_its_end_page_by_page(api: httpx.AsyncClient, long_log: int) -> None:
    seen: list[str] = []
    before = 2**62
    while True:
        page = (await api.get(f"/api/v1/runs/{long_log}/log", params={"before": before})).json()
        seen = [line["message"] for line in page["items"]] + seen
        if page["next_cursor"] is None:
            break
        before = int(page["next_cursor"])
    assert seen == [f"step {place}: 50% done" for place in range(1_200)]


async def test_a_log_is_searched_for_the_very_characters(api: httpx.AsyncClient, long_log: int) -> None:
    async def found(query: str) -> int:
        page = (await api.get(f"/api/v1/runs/{long_log}/log", params={"q": query})).json()
        return len(page["items"])

    assert [await found("STEP 7:"), await found("50%"), await found("5_%"), await found("step 11")] == [1, 500, 0, 111]


async def test_the_whole_log_is_a_text_file(api: httpx.AsyncClient, long_log: int) -> None:
    answer = await api.get(f"/api/v1/runs/{long_log}/log.txt")
    assert answer.headers["content-disposition"] == f'attachment; filename="run-{long_log}.log"'
    lines = answer.text.splitlines()
    assert (len(lines), lines[0]) == (1_200, "2026-03-02T00:00:00+00:00  step 0: 50% done")


# -- files ------------------------------------------------------------------------------------------------------------


def leave_file(session: Session, settings: Settings, run: int, path: str, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    stored = object_path(settings.store_folder, sha256)
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(content)
    session.add(ArtifactRow(team_id=1, run_id=run, path=path, size_bytes=len(content), sha256=sha256))


async def test_all_files_come_as_one_archive(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, lora: int
) -> None:
    contents = {"run.json": b"{}", "adapter/weights.bin": bytes(range(256)) * 9_000}
    with system_session(engine) as session:
        for path, content in contents.items():
            leave_file(session, settings, lora, path, content)
    answer = await api.get(f"/api/v1/runs/{lora}/artifacts.zip")
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert {name: archive.read(name) for name in archive.namelist()} == contents


def test_an_archive_is_sent_in_pieces(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / "large"
    file.write_bytes(b"x" * (5 * CHUNK_BYTES))
    pieces = list(zipped([("large", file)]))
    assert len(pieces) >= 5
    assert max(map(len, pieces)) < 2 * CHUNK_BYTES


async def test_a_run_without_files_says_so(api: httpx.AsyncClient, lora: int) -> None:
    answer = await api.get(f"/api/v1/runs/{lora}/artifacts.zip")
    assert answer.status_code == 404
    assert "left no files" in answer.json()["detail"]


# -- the queue --------------------------------------------------------------------------------------------------------


def launch(engine: Engine, settings: Settings, name: str, **changes: object) -> int:
    document = StudyDocument(
        name=name,
        budget=Budget(steps=2, batch_size=4, max_length=16),
        seeds=2,
        grid_points=3,
        methods=[MethodEntry(method="head_only")],
        references=[],
    )
    return studies.create_study(engine, settings, LOCAL, document.model_copy(update=changes))


def claim_all(engine: Engine, settings: Settings) -> list[int]:
    """Every run in the order in which one worker takes them, each ending before the next is claimed."""
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        for study in session.scalars(select(Study)):
            study.precision = "fp32"
        for row in session.scalars(select(Configuration)):
            row.learning_rate = 1e-3
    claimed: list[int] = []
    while True:
        with system_session(engine) as session:
            claim = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=60, alone=True)
        if claim is None:
            return claimed
        claimed.append(claim.lease.run_id)
        with system_session(engine) as session:
            session.get_one(Run, claim.lease.run_id).status = "succeeded"


async def places(api: httpx.AsyncClient, runs: Sequence[int]) -> dict[int, int]:
    return {run: (await api.get(f"/api/v1/runs/{run}")).json()["runs_before"] for run in runs}


async def test_a_queued_run_says_how_many_go_before_it(
    api: httpx.AsyncClient, engine: Engine, settings: Settings
) -> None:
    launch(engine, settings, "first")
    launch(engine, settings, "second", seeds=1)
    launch(engine, settings, "urgent", priority=3, seeds=1)
    with system_session(engine) as session:
        waiting = list(session.scalars(select(Run.id)))
    told = await places(api, waiting)
    assert claim_all(engine, settings) == sorted(told, key=lambda run: told[run])
    assert sorted(told.values()) == list(range(len(told)))


# -- asking the model -------------------------------------------------------------------------------------------------


async def test_a_run_without_a_model_says_why_there_is_nothing_to_ask(api: httpx.AsyncClient, lora: int) -> None:
    answer = (await api.get(f"/api/v1/runs/{lora}/examples")).json()
    assert (answer["pair"], answer["choices"], answer["examples"]) == (False, [], [])
    assert "kept no model" in answer["missing"]
