"""Which studies and methods are compared."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.language import tr
from app.schemas import StudiesCompared


def controls(found: StudiesCompared, *, approved_only: bool) -> html.Section:
    """The kind of task (where there are several), the studies of it and their methods."""
    fields = [kind_field(found), studies_field(found), methods_field(found)]
    only = dmc.Switch(id="compare-approved", label=tr("Approved studies only"), checked=approved_only, mt=10)
    return html.Section(
        [html.Div(fields, className="compare-fields"), only],
        className="panel",
        **{"aria-label": tr("What is compared")},
    )


def kind_field(found: StudiesCompared) -> dmc.Select:
    """Studies of different kinds of task never stand side by side."""
    return dmc.Select(
        id="compare-kind",
        label=tr("Kind of task"),
        data=[{"value": one.kind, "label": one.title} for one in found.kinds],
        value=found.kind,
        allowDeselect=False,
        display="none" if len(found.kinds) < 2 else None,
    )


def studies_field(found: StudiesCompared) -> dmc.MultiSelect:
    return dmc.MultiSelect(
        id="compare-studies",
        label=tr("Studies"),
        data=study_options(found),
        value=[str(study) for study in found.chosen],
        searchable=True,
        clearable=True,
        hidePickedOptions=True,
        nothingFoundMessage=tr("Every study is chosen"),
        clearButtonProps={"aria-label": tr("Choose every study")},
    )


def methods_field(found: StudiesCompared) -> dmc.MultiSelect:
    return dmc.MultiSelect(
        id="compare-methods",
        label=tr("Methods"),
        data=method_options(found),
        value=found.chosen_methods,
        searchable=True,
        clearable=True,
        hidePickedOptions=True,
        nothingFoundMessage=tr("Every method is chosen"),
        clearButtonProps={"aria-label": tr("Choose the methods that every study has")},
    )


def study_options(found: StudiesCompared) -> list[dict[str, str]]:
    return [{"value": str(study.id), "label": study.name} for study in found.studies]


def method_options(found: StudiesCompared) -> list[dict[str, str]]:
    return [{"value": card.method, "label": card.title} for card in found.methods]


def pair_fields(found: StudiesCompared) -> html.Div:
    """The two methods that are set against each other."""
    a, b = (found.pair.a, found.pair.b) if found.pair else (None, None)
    return html.Div(
        [_of_pair("a", tr("First method"), a, found), _of_pair("b", tr("Second method"), b, found)],
        className="compare-pair-fields",
    )


def _of_pair(place: str, words: str, value: str | None, found: StudiesCompared) -> Any:
    return dmc.Select(
        id=f"compare-{place}",
        data=method_options(found),
        value=value,
        allowDeselect=False,
        searchable=True,
        size="xs",
        attributes={"input": {"aria-label": words}},
    )
