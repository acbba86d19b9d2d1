"""Each part of the textbook chapter has its place in the product, drawn from what was measured or from a formula."""

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


@dataclass(frozen=True)
class Place:
    """Where a part of the chapter lives. shown: what must stand in the region, by CSS selector."""

    part: str
    address: str
    region: str
    shown: tuple[str, ...]


STUDY, SWEPT, RUN, GUIDE, NEW = "/studies/{study}", "/studies/{swept}", "/runs/{run}", "/guide", "/studies/new"
PLACES = (
    Place("challenges of size, storage and training memory", GUIDE, "#why", (SOURCED,)),
    Place("resources against performance", STUDY, "#study-front", (SOURCED, FIGURE)),
    Place("what PEFT saves", STUDY, "#study-advantage", (SOURCED,)),
    Place("how LoRA works", GUIDE, "#how", ("svg, img", SOURCED)),
    Place("LoRA's parameters by rank", GUIDE, "#rank", (SOURCED,)),
    Place("LoRA's rank against quality, parameters and speed", SWEPT, "#study-sweeps", (SOURCED, FIGURE)),
    Place("LoRA's variants as a radar", f"{NEW}?preset=lora_variants", "#new-methods", ()),
    Place("singular values of a real update", RUN, "#run-spectrum", (FIGURE, SOURCED)),
    Place("FLOPs of LoRA's forward pass", GUIDE, "#claims", (SOURCED,)),
    Place("the adapter and its bottleneck", f"{NEW}?preset=bottleneck_sweep", "#new-methods", ()),
    Place("the prefix and its length", f"{NEW}?preset=prefix_length_sweep", "#new-methods", ()),
    Place("variants of prefixes as a radar", f"{NEW}?preset=prompt_family", "#new-methods", ()),
    Place("six metrics as a heatmap", STUDY, "#study-evidence", (FIGURE, SOURCED)),
    Place("six metrics as a radar", STUDY, "#study-radar", (FIGURE, SOURCED)),
    Place("a method for each of five scenarios", "/recommend?study={study}", "main", (SOURCED,)),
    Place("the decision tree", "/recommend?view=guide", "main", (SOURCED,)),
    Place("the seven steps", NEW, "main", ()),
    Place("troubleshooting", GUIDE, "#troubleshooting", ()),
    Place("hyper-parameters", GUIDE, "#hyperparameters", ()),
    Place("further reading", GUIDE, "#reading", ("a",)),
)
