"""The troubleshooting guide: symptom, causes, fixes, prevention; by what a run shows it, and where it was seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dash import html

from app.language import mark, tr
from app.schemas import Sighting, Sightings
from app.ui.guide.frame import section, words


@dataclass(frozen=True)
class Trouble:
    """One symptom. shown_by: the evidence by which a run is diagnosed."""

    title: str
    shown_by: str
    causes: tuple[str, ...]
    fixes: tuple[str, ...]
    prevention: tuple[str, ...]


TROUBLES: dict[str, Trouble] = {
    "poor_performance": Trouble(
        mark("Poor performance"),
        mark("The loss falls, and yet validation is no better than the untuned model; or there were too few steps."),
        (
            mark("The rank, neck or prefix is too small for the task."),
            mark("The learning rate is wrong for this method."),
            mark("Training was too short."),
            mark("The data are wrong or few, and were learnt by heart."),
        ),
        (
            mark("Raise the rank step by step."),
            mark("Try learning rates on both sides."),
            mark("Train longer."),
            mark("Read items with their labels, and clean them."),
        ),
        (
            mark("Begin with the recommended rank or above."),
            mark("Use a schedule with warm-up, and early stopping."),
            mark("Check the data before training."),
        ),
    ),
    "unstable_training": Trouble(
        mark("Unstable training"),
        mark("The loss jumps above where it began, gradient norms grow by orders of magnitude, or numbers are lost."),
        (
            mark("The learning rate is too high."),
            mark("The batch is too small: gradients contradict each other."),
            mark("Gradients explode."),
            mark("Numbers leave the range of the precision."),
        ),
        (
            mark("Divide the learning rate by ten."),
            mark("Use a larger batch, by accumulation if memory is short."),
            mark("Clip gradients; every run here does."),
            mark("Compute in another precision."),
        ),
        (
            mark("Keep warm-up."),
            mark("Let the study try a grid of learning rates."),
            mark("Watch the gradient norm: it tells before the loss does."),
        ),
    ),
    "out_of_memory": Trouble(
        mark("Out of memory"),
        mark("The run ended because memory ran out; throughput often breaks down before."),
        (
            mark("Batch or sequence is too long for the device."),
            mark("The rank, and with it what is trained, is too large."),
            mark("The whole batch is worked off at once."),
        ),
        (
            mark("Halve the batch, or accumulate gradients over its parts."),
            mark("Cut texts at a shorter length."),
            mark("Turn gradient checkpointing on."),
            mark("Lower the rank."),
        ),
        (
            mark("Read the estimate before launching."),
            mark("Sort texts into batches of like length; every run here does."),
            mark("Watch the measured peak before raising anything."),
        ),
    ),
    "slow_convergence": Trouble(
        mark("Slow convergence"),
        mark("The loss goes nowhere, gradients stay as they were, and validation is no better than the untuned model."),
        (
            mark("The learning rate is too low."),
            mark("The method begins far from anything useful."),
            mark("The data say little of what is asked."),
            mark("The optimizer or its schedule does not fit."),
        ),
        (
            mark("Multiply the learning rate by ten."),
            mark("Begin from the weights themselves, as PiSSA does."),
            mark("Add or enrich data."),
            mark("Try another rule of updating, such as LoRA+."),
        ),
        (
            mark("Search the learning rate first."),
            mark("Keep the initialisation of the method's paper."),
            mark("Look at the data: classes, lengths, what is cut."),
        ),
    ),
}
"""Symptom, as the diagnosis of a run names it -> what the chapter's table says, in our words."""


def troubleshooting() -> html.Section:
    """The section; where each symptom was seen arrives afterwards."""
    return section(
        "troubleshooting",
        words(
            tr(
                "Every run keeps its loss, gradient norm, memory and speed, so that its page names a symptom with the"
                " evidence for it, and only where it did harm."
            )
        ),
        *[_trouble(symptom, trouble) for symptom, trouble in TROUBLES.items()],
    )


def _trouble(symptom: str, trouble: Trouble) -> html.Div:
    lists = ((tr("Causes"), trouble.causes), (tr("Fixes"), trouble.fixes), (tr("Prevention"), trouble.prevention))
    return html.Div(
        [
            html.H3(tr(trouble.title)),
            html.P([html.B(tr("What shows it:")), " ", tr(trouble.shown_by)]),
            html.Div([_list(title, entries) for title, entries in lists], className="chapter-trouble"),
            html.Div(
                tr("Looking for runs…"), id={"type": "chapter-seen", "symptom": symptom}, className="chapter-seen"
            ),
        ],
        className="panel",
        id=f"symptom-{symptom.replace('_', '-')}",
    )


def _list(title: str, entries: Sequence[str]) -> html.Div:
    return html.Div([html.H4(title), html.Ul([html.Li(tr(entry)) for entry in entries])])


def seen(found: Sightings, symptom: str) -> Any:
    """The runs in which the symptom was found."""
    runs = found.items.get(symptom, [])
    if not runs:
        return tr("Not seen in the newest runs here.")
    links = [piece for place, run in enumerate(runs) for piece in ([" · "] if place else []) + [_link(run)]]
    return [tr("Seen here:"), " ", *links]


def _link(run: Sighting) -> html.A:
    return html.A(f"{run.label} ({run.study_name})", href=f"/runs/{run.run_id}", **{"data-label": run.label})
