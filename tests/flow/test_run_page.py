"""A run's page in a real browser: its numbers are what rows and files give, and a layer can be chosen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Configuration, Run
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.evidence import check_page
from tests.flow.finished_run import leave_diverged, leave_healthy, leave_spectrum
from tests.flow.finished_study import FLOOR, insert

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Served:
    """The application with a healthy and a diverged run of LoRA."""

    app: FastAPI
    address: str
    store: Path
    healthy: int
    diverged: int


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    settings = Settings(home=Path(tmp_path_factory.mktemp("home")))
    app = create_app(settings)
    with system_session(app.state.engine) as session:
        insert(session, team_id=1)
        of_lora = select(Run).join(Configuration).where(Configuration.method == "lora", Run.purpose == "report")
        healthy, diverged, *_ = session.scalars(of_lora.order_by(Run.id))
        leave_healthy(session, healthy, 0.94)
        leave_spectrum(session, settings.store_folder, healthy)
        leave_diverged(session, diverged, FLOOR)
        ids = healthy.id, diverged.id
    with serve(app) as address:
        yield Served(app, address, settings.store_folder, *ids)


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context.new_page()
    context.close()


def test_the_spectrum_of_the_chosen_layer_is_what_the_file_holds(page: "Page", served: Served) -> None:
    page.goto(f"{served.address}/runs/{served.healthy}")
    page.wait_for_selector("#run-layer-shown .js-plotly-plot .scatterlayer")
    assert "Nothing wrong" in page.inner_text("#run-diagnosis")
    assert check_page(page, served.app.state.engine, store=served.store) == []
    assert page.input_value("#run-layer") == "1.attention.self.query"
    page.click("#run-layer")
    page.get_by_role("option", name="0.attention.self.query").click()
    page.wait_for_function("document.querySelector('#run-layer-shown').innerText.includes('in 8 of 384')")
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
