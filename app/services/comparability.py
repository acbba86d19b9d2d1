"""Whether runs were made alike: what must be the same before numbers are averaged or set side by side.

Inside a cell, runs that are unlike are split and never averaged. Across a study, what differs is said. Whether a run
trained together with others is no such condition: its gradients are those that it would have alone, up to rounding.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from app.db.tables import Run
from app.language import mark, tr, trn
from app.services.shared_steps import others_beside
from peft_core.spec import Budget

Conditions = Mapping[str, str]
"""Under what a run was made, by the keys of CONDITIONS; what it did not write down is left out."""


@dataclass(frozen=True)
class Condition:
    """name: of one run's. names: of several, after "different". trains: it changes what is learned or how that is
    scored, so that results under another one do not compare at all. costs: it changes what a run costs alone."""

    name: str
    names: str
    trains: bool = False
    costs: bool = False


CONDITIONS = {
    "source": Condition(mark("source"), mark("sources")),
    "device_name": Condition(mark("device"), mark("devices"), trains=True),
    "driver": Condition(mark("driver"), mark("drivers")),
    "precision": Condition(mark("precision"), mark("precisions"), trains=True),
    "steps": Condition(mark("training steps"), mark("numbers of training steps"), trains=True),
    "tokens": Condition(mark("tokens a step"), mark("numbers of tokens a step"), trains=True),
    "decoding": Condition(mark("decoding"), mark("ways of decoding"), trains=True),
    "dataset_revision": Condition(mark("dataset revision"), mark("dataset revisions"), trains=True),
    "base_model_revision": Condition(mark("base model revision"), mark("base model revisions"), trains=True),
    "torch": Condition(mark("torch"), mark("versions of torch")),
    "transformers": Condition(mark("transformers"), mark("versions of transformers")),
    "peft": Condition(mark("peft"), mark("versions of peft")),
    "datasets": Condition(mark("datasets"), mark("versions of datasets")),
    "diffusers": Condition(mark("diffusers"), mark("versions of diffusers")),
    "bitsandbytes": Condition(mark("bitsandbytes"), mark("versions of bitsandbytes")),
    "torch_threads": Condition(mark("number of threads"), mark("numbers of threads"), costs=True),
}
SHOWN_OF_A_HASH = 12
SOURCES = (mark("imported"), mark("measured here"))


def conditions_of(run: Run, decoding: JsonValue = None) -> Conditions:
    """What is known of how a run was made. `decoding`: how its test answers were, where its measurements say."""
    found: dict[str, Any] = {key: value for key, value in (run.environment or {}).items() if key in CONDITIONS}
    found |= _of_spec(run.spec) if run.spec else {}
    found["source"] = SOURCES[0] if run.source == "imported" else SOURCES[1]
    if decoding is not None:
        found["decoding"] = decoding
    return {key: _said(value) for key, value in found.items() if value is not None}


def _of_spec(spec: Mapping[str, Any]) -> dict[str, JsonValue]:
    budget = Budget.model_validate(spec["budget"])
    task = spec["task"]
    return {
        "steps": budget.total_steps(task["splits"]["train"]),
        "tokens": tokens_a_step(budget.batch_size, budget.max_length),
        "dataset_revision": task["dataset_sha256"][:SHOWN_OF_A_HASH] or None,
        "base_model_revision": spec["base_model_sha256"][:SHOWN_OF_A_HASH] or None,
    }


def tokens_a_step(batch_size: int, max_length: int) -> str:
    """What one optimizer step reads at most."""
    return f"{batch_size} x {max_length}"


def _said(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {value[key]}" for key in sorted(value))
    return str(value)


@dataclass(frozen=True)
class Alike:
    """Runs that compare with each other, the others of the same cell, and why these were split off, in sentences."""

    kept: Sequence[Run]
    split_off: Sequence[Run] = ()
    reasons: Sequence[str] = ()


def largest_alike(runs: Sequence[Run], conditions: Mapping[int, Conditions], *, costs: bool) -> Alike:
    """The most runs of a cell that were made alike, of equally many the first. What a run did not write down differs
    from nothing. `costs`: the cell is of a cost, which more conditions change."""
    groups: list[tuple[dict[str, str], list[Run]]] = []
    for run in runs:
        seen = _judged(conditions[run.id], costs=costs)
        group = next((group for group in groups if not _differ(group[0], seen)), None)
        if group is None:
            groups.append((dict(seen), [run]))
        else:
            group[0].update(seen)
            group[1].append(run)
    if len(groups) < 2:
        return Alike(list(runs))
    shared, kept = max(groups, key=lambda group: len(group[1]))
    others = [(seen, split) for seen, split in groups if split is not kept]
    return Alike(
        kept,
        [run for _, split in others for run in split],
        [_split_sentence(shared, seen, len(split)) for seen, split in others],
    )


def _judged(conditions: Conditions, *, costs: bool) -> dict[str, str]:
    return {key: value for key, value in conditions.items() if costs or not CONDITIONS[key].costs}


def _differ(first: Conditions, second: Conditions) -> list[str]:
    return [key for key in CONDITIONS if key in first and key in second and first[key] != second[key]]


def _split_sentence(shared: Conditions, seen: Conditions, runs: int) -> str:
    what = tr(", ").join(_instead(key, seen[key], shared[key]) for key in _differ(shared, seen))
    return trn(
        "{count} run is left out, made unlike the others: {what}.",
        "{count} runs are left out, made unlike the others: {what}.",
        runs,
        what=what,
    )


def _instead(key: str, value: str, usual: str) -> str:
    name = tr(CONDITIONS[key].name)
    return tr("{condition} {value} instead of {usual}", condition=name, value=_worded(value), usual=_worded(usual))


def _worded(value: str) -> str:
    """A value as it is read: what a program wrote down, but for the words of our own."""
    return tr(value) if value in SOURCES else value


def usual_conditions(quality: Sequence[Conditions], costs: Sequence[Conditions]) -> Conditions:
    """The most common value of each condition, of equally common ones the first. `costs`: of those runs that measured
    what training costs."""
    usual = {}
    for key, condition in CONDITIONS.items():
        seen = Counter(found[key] for found in (costs if condition.costs else quality) if key in found)
        if seen:
            usual[key] = seen.most_common(1)[0][0]
    return usual


def differences_from(usual: Conditions, runs: Sequence[Conditions], *, costs: bool) -> list[str]:
    """What sets a row's runs apart from the others of its study, a sentence each."""
    unlike: dict[str, str] = {}
    for found in runs:
        unlike |= {key: found[key] for key in _differ(usual, _judged(found, costs=costs))}
    return [
        tr(
            "{condition} {value}, others {usual}.",
            condition=_capital(tr(CONDITIONS[key].name)),
            value=_worded(value),
            usual=_worded(usual[key]),
        )
        for key, value in unlike.items()
    ]


def trained_unlike(usual: Conditions, runs: Sequence[Conditions]) -> list[str]:
    """The conditions under which a row's results do not compare with the others of its study at all, in words."""
    keys = {key for found in runs for key in _differ(usual, found) if CONDITIONS[key].trains}
    values = {key: next(found[key] for found in runs if found.get(key, usual[key]) != usual[key]) for key in keys}
    return [_instead(key, values[key], usual[key]) for key in CONDITIONS if key in keys]


def study_flags(quality: Sequence[Conditions], costs: Sequence[Conditions]) -> list[str]:
    """What differs between the runs of a study. `costs`: of those runs that measured what training costs."""
    flags = []
    for key, condition in CONDITIONS.items():
        seen = sorted({found[key] for found in (costs if condition.costs else quality) if key in found})
        if len(seen) < 2:
            continue
        told = {"conditions": tr(condition.names), "values": tr(", ").join(_worded(value) for value in seen)}
        if condition.costs:
            flags.append(tr("Costs were measured with different {conditions}: {values}. They do not compare.", **told))
        else:
            flags.append(tr("The runs used different {conditions}: {values}.", **told))
    return flags


def together_note(runs: Sequence[Run]) -> str:
    """What to know of the quality of runs some of which trained together with others; nothing where none did."""
    count = sum(others_beside(run) > 0 for run in runs)
    if not count:
        return ""
    return tr(
        "Quality from runs trained together ({count} of {all}): it compares with that of runs alone, whose gradients"
        " are equal up to rounding. What the method costs comes from its probe.",
        count=count,
        all=len(runs),
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
