"""What the queue's page is asked to show, as its address says it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from app.language import mark

WAITING = "queued,running"
EVERY = "all"
STATUSES = {
    WAITING: mark("Waiting and running"),
    "succeeded": mark("Succeeded"),
    "failed": mark("Failed"),
    "cancelled": mark("Cancelled"),
    EVERY: mark("Every state"),
}
PURPOSES = {"": mark("All runs"), "tune": mark("Tuning"), "report": mark("Reporting"), "probe": mark("Cost probes")}
DEVICES = {"": mark("All devices"), "cpu": mark("CPU"), "cuda": mark("GPU (CUDA)")}
ORDERS = {
    "": mark("Next or newest first"),
    "oldest": mark("Oldest first"),
    "newest": mark("Newest first"),
}
ROWS = 100


@dataclass(frozen=True)
class Question:
    """The filters, the order and the place in the list; what an address says wrongly is the usual value."""

    status: str = WAITING
    purpose: str = ""
    study: str = ""
    device: str = ""
    order: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Question":
        """From an address or from the page's store."""
        known = {"status": STATUSES, "purpose": PURPOSES, "device": DEVICES, "order": ORDERS}
        chosen = {name: str(said[name]) for name, values in known.items() if said.get(name) in values}
        numbers = {name: str(said.get(name) or "") for name in ("study", "cursor")}
        return cls(**chosen | {name: text for name, text in numbers.items() if _is_id(text)})

    @classmethod
    def from_text(cls, text: str) -> "Question":
        """From what `text` gave."""
        return cls.of(dict(parse_qsl(text)))

    def text(self) -> str:
        """The query of the page's address: what is not as usual."""
        return urlencode({name: value for name, value in asdict(self).items() if value != getattr(Question, name)})

    def filters(self) -> dict[str, Any]:
        """The same as the API takes it."""
        usual = "oldest" if self.status == WAITING else "newest"
        return {
            "status": None if self.status == EVERY else self.status,
            "purpose": self.purpose or None,
            "study_id": self.study or None,
            "device": self.device or None,
            "cursor": self.cursor or None,
            "order": self.order or usual,
            "limit": ROWS,
        }


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
