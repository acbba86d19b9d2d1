"""What is seen of a study and its address, and the advantage over full fine-tuning."""

import pytest

from app.ui.cells import Matrix
from app.ui.study.advantage import content
from app.ui.study.chosen import Chosen, profile_of
from tests.app.ui.components import sources, text_of, uncovered_digits
from tests.app.ui.documents import FULL, comparison
from tests.flow.finished_study import QUICKSTART
from tests.flow.swept_study import ranked

LORA = 4


def matrix(ranks: int = 0) -> Matrix:
    many = tuple(ranked(rank, (0.9383, 0.94, 0.935)) for rank in range(1, ranks + 1))
    return Matrix(comparison((*QUICKSTART, *many)), "accuracy")


def test_what_is_seen_comes_back_from_its_address() -> None:
    seen = Chosen("table", "storage_bytes", worst_first=True, rows=frozenset({2, 7}), columns=frozenset({"simplicity"}))
    assert Chosen.from_query({k: v for k, v in seen.query().items() if v}, matrix()) == seen
    assert set(Chosen().query().values()) == {None}


@pytest.mark.parametrize(
    "query",
    [{"view": "x"}, {"by": "x"}, {"without": f"{FULL}.99.x"}, {"less": "x"}, {"page": "-1"}, {"page": "9" * 30}],
)
def test_an_address_that_anyone_typed_shows_the_usual(query: dict[str, str]) -> None:
    assert Chosen.from_query(query, matrix()) == Chosen()
    assert profile_of({"profile": "x.99"}, matrix()) == profile_of({}, matrix())


def test_more_rows_than_fit_are_paged_and_the_reference_stands_on_every_page() -> None:
    many = matrix(30)
    pages = [Chosen(page=page).on_page(many) for page in range(1, Chosen().pages(many) + 1)]
    assert [page[0].id for page in pages] == [FULL] * len(pages)
    assert max(len(page) for page in pages) == 25
    assert {row.id for page in pages for row in page} == set(many.configurations)
    assert Chosen(page=9).within(many).page == len(pages)
    assert Chosen().pages(matrix()) == 1


def test_the_worst_come_first_when_asked_and_the_reference_stays() -> None:
    best, worst = (Chosen(worst_first=turned).listed(matrix()) for turned in (False, True))
    assert best[0] == worst[0]
    assert [row.id for row in worst[1:5]] == [row.id for row in best[1:5]][::-1]


def test_an_advantage_is_a_ratio_to_full_fine_tuning_with_both_runs() -> None:
    found = matrix().advantage(LORA, "storage_bytes")
    assert found is not None
    assert found.value == pytest.approx(90_868_200 / 893_200)
    assert found.run_ids != found.reference_run_ids
    slower = matrix().advantage(LORA, "inference_latency")
    assert slower is not None
    assert slower.value < 1
    assert matrix().advantage(1, "trainable_parameters") is None
    shown = content(matrix())
    assert "102×" in text_of(shown)
    assert uncovered_digits(shown) == []
    assert {"ratio", "difference"} <= {source["data-statistic"] for source in sources(shown)}
