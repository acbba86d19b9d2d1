"""What a person sees of the panel "Methods x metrics", and its place in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from app.language import mark
from app.schemas import ConfigurationView
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.radar import MOST_METHODS, default_choice

VIEWS = {
    "heatmap": mark("Heatmap"),
    "table": mark("Table"),
    "differences": mark("Differences"),
    "predicted": mark("Predicted"),
    "tuning": mark("Tuning"),
    "seeds": mark("Seeds"),
    "failures": mark("Failures"),
    "environment": mark("Environment"),
}
"""Key in the address -> title, to be said with `tr`."""
ROWS_A_PAGE = 25
SEPARATOR = "."
"""Between the parts of a list in an address: a comma would be written as %2C."""


@dataclass(frozen=True)
class Chosen:
    """sort: the metric that orders the rows. rows, columns: what is hidden, configurations and metrics. page: from one;
    the reference stands on every page."""

    view: str = "heatmap"
    sort: str = QUALITY
    worst_first: bool = False
    rows: frozenset[int] = field(default_factory=frozenset)
    columns: frozenset[str] = field(default_factory=frozenset)
    page: int = 1

    @classmethod
    def from_query(cls, query: Mapping[str, Any], matrix: Matrix) -> Self:
        """What an address says; what cannot be read is left at its default, for anyone types an address."""
        view, sort = query.get("view"), query.get("by")
        rows = frozenset(_numbers(query.get("without"))) & matrix.configurations.keys()
        columns = frozenset(str(query.get("less", "")).split(SEPARATOR)) & {card.key for card in matrix.columns}
        return cls(
            view=view if view in VIEWS else "heatmap",
            sort=sort if sort in matrix.cards else QUALITY,
            worst_first=query.get("order") == "worst",
            rows=frozenset(rows) - {matrix.comparison.reference or 0},
            columns=columns if len(columns) < len(matrix.columns) else frozenset(),
            page=max(1, next(iter(_numbers(query.get("page"))), 1)),
        )

    def query(self) -> dict[str, str | None]:
        """Its part of the address; None for what the address need not say."""
        return {
            "view": None if self.view == "heatmap" else self.view,
            "by": None if self.sort == QUALITY else self.sort,
            "order": "worst" if self.worst_first else None,
            "without": SEPARATOR.join(str(row) for row in sorted(self.rows)) or None,
            "less": SEPARATOR.join(sorted(self.columns)) or None,
            "page": None if self.page == 1 else str(self.page),
        }

    def listed(self, matrix: Matrix) -> list[ConfigurationView]:
        """All rows that are not hidden, in their order."""
        ordered = matrix.ordered(self.sort, worst_first=self.worst_first)
        return [row for row in ordered if row.id not in self.rows]

    def pages(self, matrix: Matrix) -> int:
        listed = self.listed(matrix)
        return 1 if len(listed) <= ROWS_A_PAGE else -(-(len(listed) - 1) // (ROWS_A_PAGE - 1))

    def on_page(self, matrix: Matrix) -> list[ConfigurationView]:
        """The rows of the page at hand; where there are several, each begins with the reference."""
        listed, pages = self.listed(matrix), self.pages(matrix)
        if pages == 1:
            return listed
        first = [row for row in listed if row.id == matrix.comparison.reference]
        others = [row for row in listed if row not in first]
        size = ROWS_A_PAGE - len(first)
        start = (min(self.page, pages) - 1) * size
        return first + others[start : start + size]

    def within(self, matrix: Matrix) -> Self:
        """The same on a page that there is."""
        return replace(self, page=min(self.page, self.pages(matrix)))


def profile_of(query: Mapping[str, Any], matrix: Matrix) -> list[int]:
    """The methods of the profile that an address names, else the first choice."""
    wanted = [row for row in dict.fromkeys(_numbers(query.get("profile"))) if row in matrix.configurations]
    return wanted[:MOST_METHODS] or default_choice(matrix)


def _numbers(text: Any) -> list[int]:
    parts = str(text or "").split(SEPARATOR)
    return [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 19]
