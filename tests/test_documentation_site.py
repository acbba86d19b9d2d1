"""The documentation as a site: built strictly and without a network, its reference made from the code."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI

from app.main import create_app
from app.schemas import sharing
from app.services.accounts import login_limits, passwords, sessions
from app.settings import Settings
from docs.reference import configuration, limits, methods
from peft_core.compare import lookup, normalise, recommend, signed_rank, significance, vetoes
from peft_core.compare.halving import going_on
from peft_core.method import Method, build_method, method_class
from peft_core.method import methods as catalogue
from peft_core.metric import metrics
from peft_core.scenario import scenarios
from peft_core.task import tasks
from tests.dependencies import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements for which a browser asks by itself."""


class Loads(HTMLParser):
    """The addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag in LOADED and known.get("rel") not in ("canonical", "next", "prev"):
            self.found.append(known.get(LOADED[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder


def pages(site: Path) -> Iterator[tuple[str, str]]:
    for path in site.rglob("*.html"):
        yield path.relative_to(site).as_posix(), path.read_text(encoding="utf-8")


def test_every_entry_of_the_catalogue_has_its_place(site: Path) -> None:
    assert {path.stem for path in (site / "methods").glob("*.html")} - {"index"} == catalogue().keys()
    for page, kinds in (("metrics", metrics()), ("tasks", tasks()), ("scenarios", scenarios())):
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        assert [key for key in kinds if f'id="{key}"' not in text] == []


def test_no_page_asks_another_host(site: Path) -> None:
    foreign = []
    for name, text in pages(site):
        loads = Loads()
        loads.feed(text)
        foreign += [f"{name}: {address}" for address in loads.found if re.match(r"(?:[a-z]+:)?//", address)]
    sheets = [path for path in site.rglob("*.css") if re.search(r"url\([\"']?(?:https?:)?//", path.read_text("utf-8"))]
    assert foreign == []
    assert sheets == []


def test_every_route_is_in_the_reference(site: Path, home: Path) -> None:
    app: FastAPI = create_app(Settings(home=home))
    app.state.engine.dispose()
    told = "".join(text for name, text in pages(site) if name.startswith("api/"))
    assert app.openapi()["paths"]
    assert [path for path in app.openapi()["paths"] if path not in told] == []


def test_every_route_says_who_it_is_for(site: Path) -> None:
    documented = [text for name, text in pages(site) if re.match(r"api/(?!index|documents)", name)]
    routes = sum(text.count("<h2") for text in documented)
    assert routes == sum(text.count("<strong>For</strong>") for text in documented) > 0
    assert "<strong>For</strong> anyone" in (site / "api" / "health.html").read_text(encoding="utf-8")


def test_the_search_knows_what_was_made_from_the_code(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"] for entry in index["docs"]}
    assert {"methods/lora.html", "metrics.html#peak_memory", "configuration.html"} <= found


@pytest.mark.browser
def test_the_site_is_searched_from_a_folder(site: Path, browser: "Browser") -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((site / "methods" / "lora.html").as_uri())
    page.locator("input.md-search__input").click()
    page.locator("input.md-search__input").press_sequentially("bottleneck")
    page.locator(".md-search-result__item").first.wait_for()
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    assert said == []


def test_a_methods_page_says_what_its_file_says() -> None:
    text = methods.page("lora")
    shape = methods.example("bert_base")
    assert "arxiv.org/abs/2106.09685" in text
    assert "of each targeted linear layer, r (d\\_in + d\\_out)." in text
    assert f"| BERT base | {build_method('lora', {}).trainable_parameters(shape):,} |" in text
    assert [name for name in catalogue()["lora"].model_fields if f"`{name}`" not in text] == []


def test_a_method_that_is_refused_says_why() -> None:
    assert "**Refused** on LLaMA 7B for any kind of task: BitFit needs bias vectors" in methods.page("bitfit")


@pytest.mark.parametrize("kind", catalogue().values(), ids=catalogue())
def test_every_method_has_a_formula_in_words(kind: type[Method]) -> None:
    trained = kind().trainable_parameters(methods.example("bert_base"))
    assert (methods.formula(kind) == "nothing.") == (trained == 0)
    assert "What one targeted layer trains" not in methods.formula(kind)


def test_every_setting_says_what_it_means() -> None:
    assert configuration.meanings().keys() >= Settings.model_fields.keys()


def test_every_limit_is_a_number_of_the_code() -> None:
    assert all(limit.value() > 0 for group in limits.LIMITS.values() for limit in group)
    assert limits.shown(50_000_000, "bytes") == "50 MB"
    assert limits.shown(200_000, "count") == "200,000"
    assert limits.shown(30.0, "days") == "30 days"
    assert limits.shown(2**29, "bytes") == "512 MiB"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("At least 12 characters", passwords.SHORTEST),
        ("90 days at most", sharing.MOST_SHARE_DAYS),
    ],
)
def test_the_security_pages_numbers_are_the_codes(said: str, value: float) -> None:
    text = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())
    assert said in text
    assert str(value) in said


def test_the_security_page_knows_how_long_sessions_live_and_how_often_logins_are_tried() -> None:
    text = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())
    assert "after three days without use and after thirty days in any case" in text
    assert (sessions.IDLE.days, sessions.LONGEST.days) == (3, 30)
    assert "limited to ten a minute for a name and for an address" in text
    assert (login_limits.MOST, login_limits.WITHIN.total_seconds()) == (10, 60)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("less than 95% of full fine-tuning's gain", vetoes.Question(weights={}).quality_floor * 100),
        ("over 2,000 seeded draws", vetoes.Question(weights={}).draws),
        ("at least 97.5% of the draws", recommend.CLEAR * 100),
        ("best in at least 80%", recommend.LEAN * 100),
        ("the 3 nearest studies", lookup.NEAREST),
        ("a factor of 3 outside", lookup.REACH),
        ("within 2% of full fine-tuning's gain", signed_rank.ROPE * 100),
        ("from 8 comparable studies", significance.LEAST_STUDIES),
        ("less than 3 standard errors", normalise.LEAST_GAIN_IN_STANDARD_ERRORS),
        ("up to 1.1, divided by 1.1", normalise.QUALITY_CEILING),
        ("rates take 3.25 instead of 5", 5 * method_class("lora").first_rung + going_on(5)),
        ("soft prompts 4.5", 5 * method_class("prompt_tuning").first_rung + going_on(5)),
    ],
)
def test_the_protocols_numbers_are_the_codes(said: str, value: float) -> None:
    text = " ".join((ROOT / "docs" / "measurement.md").read_text(encoding="utf-8").split())
    assert said in text
    assert f"{value:,g}" in said
