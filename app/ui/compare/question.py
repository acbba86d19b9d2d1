"""What a person compares, as the address of the page says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from dash import Input, Output, clientside_callback

from app.schemas import StudiesCompared

# Without a navigation, which would mount the page anew under the person's hand.
WRITE = """function(own) {
    if (own && window.location.pathname === '/compare') {
        const address = new URL(window.location.href);
        for (const [name, value] of Object.entries(own)) {
            if (value === null) address.searchParams.delete(name); else address.searchParams.set(name, value);
        }
        window.history.replaceState(null, '', address.href.replaceAll('%2C', ','));
    }
    return window.dash_clientside.no_update;
}"""
PARTS = ("kind", "studies", "methods", "a", "b", "approved")


@dataclass(frozen=True)
class ComparedQuestion:
    """studies, methods: with commas between; None: what the API chooses."""

    kind: str | None = None
    studies: str | None = None
    methods: str | None = None
    a: str | None = None
    b: str | None = None
    approved: str | None = None
    """"true" or None."""

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> Self:
        """The question of an address; what is no list of ids there is left out, for anyone types an address."""
        found = {name: str(value)[:200] for name in PARTS if (value := query.get(name))}
        ids = [part for part in str(query.get("studies") or "").split(",") if part.isascii() and part.isdigit()]
        found["approved"] = "true" if query.get("approved") == "true" else ""
        return cls(**(found | {"studies": ",".join(ids) or None, "methods": str(query.get("methods") or "") or None}))

    def asked(self) -> dict[str, str | None]:
        """As the API takes it."""
        return {name: getattr(self, name) or None for name in PARTS}


def address_of(found: StudiesCompared, question: ComparedQuestion) -> dict[str, str | None]:
    """What the address need say, so that a link shows the same: nothing of what is chosen by itself."""
    every = [study.id for study in found.studies]
    kinds = [one.kind for one in found.kinds]
    return {
        "kind": found.kind if question.kind is not None and len(kinds) > 1 else None,
        "studies": ",".join(map(str, found.chosen)) if found.chosen != every else None,
        "methods": ",".join(found.chosen_methods) if question.methods else None,
        "a": found.pair.a if found.pair and question.a else None,
        "b": found.pair.b if found.pair and question.b else None,
        "approved": question.approved or None,
    }


def csv_address(found: StudiesCompared) -> str:
    """The matrix as a file."""
    studies = ",".join(map(str, found.chosen))
    return f"/api/v1/comparisons/csv?kind={found.kind}&studies={studies}&methods={','.join(found.chosen_methods)}"


def keep_in_address() -> None:
    """The store's data, {parameter: value or null}, is written into the address whenever it changes."""
    written = Output("compare-address", "id")
    clientside_callback(WRITE, written, Input("compare-address", "data"), prevent_initial_call=True)
