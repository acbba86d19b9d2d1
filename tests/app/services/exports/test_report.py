"""The report: one file that asks no other place for anything, runs nothing, and whose numbers say their source."""

import re
from html.parser import HTMLParser

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, Run, Study
from app.formats import format_value
from app.services import results, studies
from app.services.callers import LOCAL
from app.services.exports import export_study
from app.services.imports.study_archive import import_study
from app.settings import Settings
from tests.app.services import exported

SCRIPT = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"
REFERRING = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "xlink:href", "ping"}
WITH_END = {"meta", "line", "rect", "path", "circle", "br"}


class Parsed(HTMLParser):
    """Every element with its attributes, all text, and whether each end tag closes what is open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in WITH_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report(engine: Engine, study: int) -> str:
    return export_study(engine, LOCAL, study, "html")


@pytest.fixture
def parsed(engine: Engine) -> Parsed:
    return Parsed(report(engine, exported.finished(engine)))


def words(parsed: Parsed) -> str:
    return " ".join("".join(parsed.text).split())


# -- one file ---------------------------------------------------------------------------------------------------------


def test_nothing_refers_to_anything_outside_of_the_file(engine: Engine, parsed: Parsed) -> None:
    assert [(tag, attributes) for tag, attributes in parsed.elements if REFERRING & attributes.keys()] == []
    tags = {tag for tag, _ in parsed.elements}
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & tags
    text = report(engine, 1)
    assert "@import" not in text
    assert "url(" not in text
    assert not re.search(r"(?i)https?:", text)
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)


def test_it_is_whole_and_well_formed(parsed: Parsed) -> None:
    assert parsed.open == []
    assert parsed.elements[0][0] == "html"
    assert len(parsed.named("h1")) == 1
    assert all(attributes.get("aria-label") for attributes in parsed.named("svg") if attributes.get("role") == "img")
    assert {"width=device-width, initial-scale=1"} <= {meta.get("content") for meta in parsed.named("meta")}


def test_a_policy_forbids_what_it_does_not_need(parsed: Parsed) -> None:
    policy = next(meta for meta in parsed.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.parametrize("text", [SCRIPT, "</title><script>x", "]]>--></style><script>", "{{7*7}}${7*7}"])
def test_text_of_people_stays_text(engine: Engine, text: str) -> None:
    study = exported.finished(engine)
    with system_session(engine) as session:
        stored = session.get_one(Study, study)
        stored.name, stored.created_by = text, text
        stored.document = stored.document | {"name": text, "base_model": text}
        stored.task = stored.task | {"name": text, "dataset": text.replace("/", "")}
        for row in session.scalars(select(Configuration)):
            row.label = f"{text} {row.position}"
        for run in session.scalars(select(Run)):
            run.reason = text if run.status == "failed" else None
            run.environment = {"torch": text, text: "2"}
    parsed = Parsed(report(engine, study))
    assert not {"script", "img"} & {tag for tag, _ in parsed.elements}
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert parsed.named("title") != []
    assert text in "".join(parsed.text)
    assert parsed.open == []


# -- what it tells ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "2 of 5 methods tie full fine-tuning (94.1\u202f%)",
        "minilm",
        "400 train, 300 validation, 600 test",
        "3 epochs of batch 8",
        "3: 0, 1, 2",
        "bf16",
        "CPU, two threads",
        "torch 2.13.0",
        "45 succeeded, 1 failed",
        "Adapter d48: the best learning rate lies at the edge of its grid",
        "The loss became NaN at step 61.",
        "grid too narrow",
        "anchors version 1",
        "peft-atlas study run FILE",
        "- method: prefix_tuning",
        "PEFT Atlas 0.1.0",
        "Welch and Satterthwaite",
        "Without a place on this axis: Head only.",
    ],
)
def test_it_says(parsed: Parsed, said: str) -> None:
    told = words(parsed)
    # A term and its value are two elements.
    assert " ".join(said.split()) in told or " ".join(said.split()).replace("torch 2", "torch2") in told


def test_every_mean_stands_in_it_as_pages_print_it(engine: Engine) -> None:
    study = exported.finished(engine)
    found = results.comparison(engine, LOCAL, study)
    told = words(Parsed(report(engine, study)))
    for cell in found.cells:
        if cell.metric == "task_performance":
            assert cell.mean is not None
            assert " ".join(format_value(cell.mean, "fraction").split()) in told


def test_every_number_says_where_it_comes_from(engine: Engine, parsed: Parsed) -> None:
    sourced = [attributes for attributes in parsed.named("span") if "data-value" in attributes]
    assert len(sourced) > 250
    assert all(re.search(r"runs? \d|formula: \w", attributes["title"] or "") for attributes in sourced)
    values = {float(attributes["data-value"] or "") for attributes in sourced}
    found = results.comparison(engine, LOCAL, 1)
    assert {cell.mean for cell in found.cells if cell.mean is not None} <= values
    assert {difference.p_value for difference in found.differences} <= values


def test_a_missing_cell_says_why(parsed: Parsed) -> None:
    titles = [attributes.get("title") or "" for attributes in parsed.named("td")]
    assert any("Untuned" in title and "missing, this method trains nothing" in title for title in titles)


def test_figures_hold_every_method_in_both_widths(parsed: Parsed) -> None:
    figures = [attributes for attributes in parsed.named("svg") if "figure" in (attributes.get("class") or "")]
    assert [figure["class"] for figure in figures] == ["figure only-wide", "figure only-narrow"] * 2
    assert [float(figure["width"] or 0) for figure in figures] == [940, 350] * 2
    whole = words(parsed)
    assert whole.count("LoRA r8: difference of task performance") == 2


def test_coordinates_lie_inside_their_figure(engine: Engine) -> None:
    for make in (exported.finished, exported.of_losses):
        text = report(engine, make(engine))
        for svg in re.findall(r'<svg[^>]*class="figure.*?</svg>', text):
            size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
            assert size is not None
            for axis, most in (("x", float(size[1])), ("y", float(size[2]))):
                places = [float(value) for value in re.findall(rf' c?{axis}[12]?="(-?[\d.]+)"', svg)]
                assert places
                assert all(-1 <= place <= most + 1 for place in places)


def test_an_imported_study_says_so(engine: Engine) -> None:
    content = exported.archive(engine, exported.finished(engine))
    found = import_study(engine, LOCAL, content).study_id
    assert "they were not measured by this installation (study 1; exported at" in report(engine, found)
    assert "Imported results" not in report(engine, 1)


# -- studies with less ------------------------------------------------------------------------------------------------


def test_a_study_without_any_result_has_a_report(engine: Engine, settings: Settings) -> None:
    study = studies.create_study(engine, settings, LOCAL, studies.quickstart_document())
    parsed = Parsed(report(engine, study))
    told = words(parsed)
    assert "No answer yet" in told
    assert "not measured yet" in told
    assert "Differences in quality" not in told
    assert parsed.open == []


@pytest.mark.parametrize("metrics", [["training_speed"], ["task_performance"], ["storage_bytes", "peak_memory"]])
def test_a_study_of_few_metrics_has_a_report(engine: Engine, metrics: list[str]) -> None:
    study = exported.finished(engine)
    with system_session(engine) as session:
        stored = session.get_one(Study, study)
        stored.document = stored.document | {"metrics": metrics}
    assert Parsed(report(engine, study)).open == []


@pytest.mark.parametrize("count", [0.0, 1e-9, 1.0, 5e3])
def test_a_figure_of_odd_numbers_is_drawn(engine: Engine, count: float) -> None:
    study = exported.finished(engine)
    with system_session(engine) as session:
        for row in session.scalars(select(MeasurementRow).where(MeasurementRow.metric == "trainable_parameters")):
            row.value = count
    assert Parsed(report(engine, study)).open == []
