"""The queue's filters: one select for each, as the address says."""

from collections.abc import Mapping

import dash_mantine_components as dmc
from dash import html

from app.language import tr
from app.schemas import StudyView
from app.ui.address import keep_choices
from app.ui.queue.question import DEVICES, ORDERS, PURPOSES, STATUSES, WAITING, Question

CONTROLS = {name: f"queue-{name}" for name in ("status", "purpose", "study", "device", "order")}


def filters(question: Question, studies: list[StudyView]) -> html.Div:
    """The selects, at what is shown."""
    of_studies = {"": tr("All studies"), **{str(study.id): study.name for study in studies}}
    if question.study and question.study not in of_studies:
        of_studies[question.study] = tr("Study {number}", number=question.study)
    return html.Div(
        [
            _select("status", tr("State"), question.status, _said(STATUSES)),
            _select("purpose", tr("Purpose"), question.purpose, _said(PURPOSES)),
            _select("study", tr("Study"), question.study, of_studies),
            _select("device", tr("Device"), question.device, _said(DEVICES)),
            _select("order", tr("Order"), question.order, _said(ORDERS)),
        ],
        className="queue-filters",
    )


def register() -> None:
    """What is chosen goes into the store `queue-asked` and the address."""
    keep_choices("queue-asked", "/runs", CONTROLS, {"status": WAITING})


def _said(values: Mapping[str, str]) -> dict[str, str]:
    return {value: tr(words) for value, words in values.items()}


def _select(name: str, label: str, value: str, values: Mapping[str, str]) -> dmc.Select:
    return dmc.Select(
        id=CONTROLS[name],
        value=value,
        data=[{"value": value, "label": words} for value, words in values.items()],
        allowDeselect=False,
        searchable=name == "study",
        nothingFoundMessage=tr("No study of that name"),
        comboboxProps={"withinPortal": True},
        size="sm",
        attributes={"input": {"aria-label": label}},
    )
