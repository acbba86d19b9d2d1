"""Each part of the textbook chapter has its place in the product, drawn from runs or by a named formula."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.db.session import system_session
from app.db.tables import Configuration, Run
from app.main import create_app
from app.settings import Settings
from tests.flow.conftest import Serve
from tests.flow.finished_run import leave_healthy, leave_spectrum
from tests.flow.finished_study import insert
from tests.flow.swept_study import RANKS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

SOURCED = "[data-source]"
FIGURE = ".js-plotly-plot .main-svg"
STUDY, SWEPT, RUN, GUIDE, NEW = "/studies/{study}", "/studies/{swept}", "/runs/{run}", "/guide", "/studies/new"


@dataclass(frozen=True)
class Place:
    """Where a part of the chapter lives, and what must be seen in that region, by CSS selectors."""

    part: str
    address: str
    region: str
    seen: tuple[str, ...]


PLACES: tuple[Place, ...] = (
    Place("challenges of size, storage and training memory", GUIDE, "#why", (SOURCED, "table")),
    Place("resources against performance", STUDY, "#study-front", (SOURCED, FIGURE)),
    Place("what PEFT saves", STUDY, "#study-advantage", (SOURCED, "table")),
    Place("how LoRA, adapters and prefixes work", GUIDE, "#how", (SOURCED, "svg")),
    Place("LoRA's parameters by rank", GUIDE, "#rank", (SOURCED, "table")),
    Place("LoRA's rank against quality, parameters and speed", SWEPT, "#study-sweeps", (SOURCED, FIGURE)),
    Place("singular values of a real update", RUN, "#run-spectrum", (SOURCED, FIGURE)),
    Place("bottleneck and prefix length by formula", GUIDE, "#sizes", (SOURCED,)),
    Place("what the chapter claims of FLOPs, speed and prefixes", GUIDE, "#claims", (SOURCED, "[id^=claim-]")),
    Place("the comparison as a heatmap", STUDY, "#study-evidence", (SOURCED, FIGURE)),
    Place("the comparison as a radar", STUDY, "#study-radar", (SOURCED, FIGURE)),
    Place("a method for each of five scenarios", "/recommend?study={study}", "main", (SOURCED, "[aria-pressed]")),
    Place("the decision tree", "/recommend?view=guide", "main", (SOURCED,)),
    Place("troubleshooting", GUIDE, "#troubleshooting", ("[id^=symptom-]",)),
    Place("diagnosis of a run", RUN, "#run-diagnosis", ("p",)),
    Place("hyper-parameters", GUIDE, "#hyperparameters", ("table",)),
    Place("the workflow in seven steps", GUIDE, "#workflow", ("ol li",)),
    Place("further reading", GUIDE, "#reading", ("a[href^='http']",)),
)
PRESETS = {
    "chapter_five": 5,
    "lora_variants": 5,
    "prompt_family": 4,
    "rank_sweep": 3,
    "bottleneck_sweep": 3,
    "prefix_length_sweep": 3,
    "everything": 20,
}
"""The chapter's charts that are launched, with the fewest rows each may have."""


@dataclass(frozen=True)
class Served:
    address: str
    ids: dict[str, int]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> Iterator[Served]:
    """A finished comparison, a finished sweep of LoRA's rank, and a run that left curves and a spectrum."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    app = create_app(settings)
    with system_session(app.state.engine) as session:
        study = insert(session, team_id=1)
        swept = insert(session, team_id=1, rows=RANKS, name="Ranks")
        of_lora = select(Run).join(Configuration).where(Configuration.method == "lora", Run.purpose == "report")
        run = session.scalars(of_lora.where(Run.study_id == study.id).order_by(Run.id)).first()
        assert run is not None
        leave_healthy(session, run, 0.94)
        leave_spectrum(session, settings.store_folder, run)
        ids = {"study": study.id, "swept": swept.id, "run": run.id}
    with serve(app) as address:
        yield Served(address, ids)


@pytest.fixture(scope="module")
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


PAGE_BY_PAGE = sorted(PLACES, key=lambda place: place.address)
"""So that each page is loaded once."""


@pytest.mark.parametrize("place", PAGE_BY_PAGE, ids=lambda place: place.part)
def test_it_is_there(page: "Page", served: Served, place: Place) -> None:
    address = served.address + place.address.format(**served.ids)
    if not page.url.startswith(address):
        page.goto(address)
    for selector in place.seen:
        found = page.locator(f"{place.region} {selector}").first
        found.scroll_into_view_if_needed(timeout=15_000)
        assert found.is_visible()


@pytest.mark.parametrize("name", PRESETS)
def test_its_comparison_can_be_launched(page: "Page", served: Served, name: str) -> None:
    page.goto(f"{served.address}{NEW}?preset={name}")
    rows = page.locator("#estimate-rows .estimate-row")
    rows.first.wait_for(timeout=15_000)
    assert rows.count() >= PRESETS[name]
