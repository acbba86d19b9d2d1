"""A run's page in a real browser: its numbers are what rows and files give, and what is written is there at once."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from sqlalchemy import delete, select

from app.db.session import system_session
from app.db.tables import ArtifactRow, Configuration, LogLineRow, MeasurementRow, PredictionSet, Run, SeriesPointRow
from app.main import create_app
from app.services.store import object_path
from app.settings import Settings
from app.ui.live import watching
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page
from tests.flow.finished_run import leave_diverged, leave_healthy, leave_spectrum
from tests.flow.finished_study import FLOOR, insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

WRITE_A_STEP = """
import sys
from pathlib import Path
from app.db.session import make_engine, system_session
from app.db.tables import LogLineRow, Run, SeriesPointRow
from app.settings import Settings
from app.ui.live import watching
from datetime import UTC, datetime

home, run, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with system_session(make_engine(Settings(home=Path(home)).database)) as session:
    session.add(SeriesPointRow(team_id=1, run_id=run, key="train_loss", step=step, value=0.1234))
    session.add(LogLineRow(team_id=1, run_id=run, at=datetime.now(UTC), message=f"written at step {step}"))
    session.get_one(Run, run).step = step
    session.commit()
    print("written", flush=True)
"""
"""What a worker does, in a process of its own."""


@dataclass(frozen=True)
class Served:
    """The application with a healthy, a diverged and a running run of LoRA."""

    app: FastAPI
    address: str
    home: Path
    store: Path
    healthy: int
    diverged: int
    running: int
    full: int


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    settings = Settings(home=Path(tmp_path_factory.mktemp("home")))
    app = create_app(settings)
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
        healthy, diverged, running = _reports(session, "lora")
        full, *_ = _reports(session, "full")
        for run in (healthy, full):
            leave_healthy(session, run, 0.94)
        leave_spectrum(session, settings.store_folder, healthy)
        _leave_model(session, settings.store_folder, healthy)
        leave_diverged(session, diverged, FLOOR)
        _leave_running(session, running)
        ids = healthy.id, diverged.id, running.id, full.id
    with serve(app) as address:
        yield Served(app, address, settings.home, settings.store_folder, *ids)


def _reports(session: "object", method: str) -> list[Run]:
    of_method = select(Run).join(Configuration).where(Configuration.method == method, Run.purpose == "report")
    return list(session.scalars(of_method.order_by(Run.id)))  # type: ignore[attr-defined]


def _leave_model(session: "object", store: Path, run: Run) -> None:
    """The files by which a run is known to have a model; nobody loads them here."""
    for place, path in enumerate(("run.json", "adapter/adapter_model.safetensors")):
        sha256 = f"{place:064x}"
        object_path(store, sha256).parent.mkdir(parents=True, exist_ok=True)
        object_path(store, sha256).write_bytes(b"{}")
        session.add(ArtifactRow(team_id=1, run_id=run.id, path=path, size_bytes=2, sha256=sha256))  # type: ignore[attr-defined]


def _leave_running(session: "object", run: Run) -> None:
    """As a run stands after one step."""
    for table in (MeasurementRow, PredictionSet, SeriesPointRow):
        session.execute(delete(table).where(table.run_id == run.id))  # type: ignore[attr-defined]
    run.status, run.phase, run.step, run.total_steps, run.ended_at = "running", "training", 1, 150, None
    run.validation_score, run.attempt, run.last_event_at = None, 1, datetime.now(UTC)
    session.add(SeriesPointRow(team_id=1, run_id=run.id, key="train_loss", step=1, value=0.7))  # type: ignore[attr-defined]
    session.add(LogLineRow(team_id=1, run_id=run.id, at=datetime.now(UTC), message="began"))  # type: ignore[attr-defined]


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    yield opened
    context.close()
    assert said == []


def test_every_number_of_a_finished_run_is_what_rows_and_files_give(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.healthy}?against={served.full}")
    page.wait_for_selector("#run-layer-shown .js-plotly-plot .scatterlayer")
    page.wait_for_selector("#run-curves .js-plotly-plot .scatterlayer")
    page.wait_for_selector(".run-differences")
    page.click("#run-values-button")
    page.wait_for_selector("#run-values table")
    assert "Nothing wrong" in page.inner_text("#run-diagnosis")
    assert "full fine-tuning" in (page.text_content("#run-curve-0 .textpoint >> nth=1") or "")
    assert check_page(page, served.app.state.engine, store=served.store) == []
    assert page.input_value("#run-layer") == "1.attention.self.query"
    page.click("#run-layer")
    page.get_by_role("option", name="0.attention.self.query").click()
    page.wait_for_function("() => document.querySelector('#run-layer-shown').innerText.includes('in 8 of 384')")
    assert check_page(page, served.app.state.engine, store=served.store) == []


def test_a_diverged_run_says_what_is_wrong_on_a_phone_before_anything_else(page: "Page", served: Served) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{served.address}/runs/{served.diverged}")
    page.wait_for_selector("#run-diagnosis .diagnosis-symptom")
    page.wait_for_selector("#run-curves .js-plotly-plot .scatterlayer")
    assert page.inner_text(".diagnosis-symptom") == "Unstable training"
    places = "['#run-diagnosis', '#run-curves'].map(id => document.querySelector(id).getBoundingClientRect().top)"
    diagnosis, curves = page.evaluate(places)
    assert diagnosis < curves
    assert check_page(page, served.app.state.engine, store=served.store) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_what_another_process_measures_is_on_the_page_within_two_seconds(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.running}")
    page.wait_for_selector("#run-curves .js-plotly-plot .scatterlayer")
    page.wait_for_function("() => document.querySelector('#run-log').innerText.includes('began')")
    page.evaluate("document.querySelector('#run-curve-0').kept = true")
    command = [sys.executable, "-c", WRITE_A_STEP, str(served.home), str(served.running), "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        last = "() => document.querySelector('#run-curve-last-0')?.innerText.includes('0.1234')"
        page.wait_for_function(last, timeout=2_000)
    page.wait_for_function(
        "() => document.querySelector('#run-log').innerText.includes('written at step 2')", timeout=2_000
    )
    drawn = "() => document.querySelector('#run-curve-0 .js-plotly-plot').data.some(trace => trace.y.includes(0.1234))"
    page.wait_for_function(drawn, timeout=2_000)
    assert page.evaluate("document.querySelector('#run-curve-0').kept"), "the figure was changed in place"
    with system_session(served.app.state.engine) as session:
        session.get_one(Run, served.running).status = "cancelled"
    page.wait_for_function("() => document.querySelector('#run-head').innerText.includes('cancelled')", timeout=2_000)
    page.wait_for_function("() => document.querySelector('#run-trial').innerText.includes('is cancelled')")
    assert [thing.subject for thing in watching() if thing.subject == "run"] == [], "nobody reads what has ended"


def test_without_a_worker_the_page_says_what_to_start(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.healthy}")
    page.fill("#run-ask-text", "I love this.")
    page.click("#run-ask")
    page.wait_for_selector("#run-ask-problem [role=alert]")
    assert "Start one with `peft-atlas worker`" in page.inner_text("#run-ask-problem")
    page.click("#run-merge")
    page.click("#run-merge-yes")
    page.wait_for_selector("#run-merge-state [role=alert]")
    # The base model of these rows lies nowhere: the refusal is the API's own, and the button stays.
    assert "has no config.json" in page.inner_text("#run-merge-state")
    assert page.is_enabled("#run-merge")


def test_another_run_is_chosen_without_a_reload_and_kept_in_the_address(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.healthy}")
    page.wait_for_selector("#run-curves .js-plotly-plot .scatterlayer")
    page.fill("#run-against-id", str(served.diverged))
    page.wait_for_selector(".run-differences")
    page.wait_for_function(f"() => location.search === '?against={served.diverged}'")
    assert "seed" in page.inner_text(".run-differences")
    page.fill("#run-against-id", "999999")
    page.wait_for_selector("#run-against-shown .state-error")
    assert "There is no run 999999" in page.inner_text("#run-against-shown")
