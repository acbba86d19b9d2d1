"""What the address of New study asks for, each value checked.

A value of the address that does not exist is left out, and a note says so: an address is typed by anyone, and what a
study is made of may have gone since it was written.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue, ValidationError

from app.language import mark, tr
from app.ui.launch.hyperparameters import GRIDS, TUNINGS, Row
from app.ui.launch.link import BUDGET_FIELDS, NONE, LinkedMethod, read_list, read_methods
from app.ui.launch.opening import OWN, REFERENCES, Catalogues, Filling
from app.ui.numbers import format_value
from peft_core.errors import InvalidHyperparameter, UnknownName
from peft_core.method import build_method, distinct_labels, method_class
from peft_core.spec import Budget, Splits

COLUMNS = ("text", "label", "pair", "choices", "group")
DEVICES = ("any", "cpu", "cuda")
LINE = re.compile(r"(cpu|cuda):[1-9]\d{0,17}", re.ASCII)
LONGEST_NAME = 200
MOST_NOTED = 40
"""So much of a value that does not exist is repeated in a note."""
NO_NUMBER = mark("The link's {field} “{value}” is not a whole number.")
NO_BUDGET_NUMBER = mark("The budget's {field} “{value}” is not a whole number.")
NOT_OFFERED = {
    "grid": mark("The grid “{value}” is not offered."),
    "tuning": mark("The way of tuning “{value}” is not offered."),
    "device": mark("The device “{value}” is not offered."),
}
KEPT_EXTRAS = {
    "folder": mark("Kept from the link: folder of the dataset."),
    "splits": mark("Kept from the link: splits of the dataset."),
}


def fill(query: Mapping[str, str], there: Catalogues) -> Filling:
    """The form that an address asks for; the plain form where it asks for nothing."""
    return _Filler(query, there).filling()


class _Filler:
    """One address, read part by part."""

    def __init__(self, query: Mapping[str, str], there: Catalogues) -> None:
        self._query, self._there = query, there
        self._form = Filling(
            base_model=there.models[0].name if there.models else OWN,
            task=there.tasks[0].name if there.tasks else OWN,
            linked=bool(query),
            draft="step" in query,
        )

    def filling(self) -> Filling:
        parts: tuple[Callable[[], None], ...] = (
            self._name,
            self._base,
            self._task,
            self._preset,
            self._methods,
            self._references,
            self._budget,
            self._seeds,
            self._choices,
            self._metrics,
            self._place,
        )
        for part in parts:
            part()
        return self._form

    def _given(self, name: str) -> str:
        return self._query.get(name, "").strip()

    def _note(self, message: str, value: str, **parts: object) -> None:
        """Say that a value of the address is left out; of a long one the beginning."""
        shown = value if len(value) <= MOST_NOTED else f"{value[:MOST_NOTED]}…"
        self._form.notes.append(tr(message, value=shown, **parts))

    def _place(self) -> None:
        """The step and the device of the estimate, which only the form itself writes. A link opens where something is
        left to choose, else at the review."""
        step, line = self._given("step"), self._given("line")
        if step in tuple("1234567"):
            self._form.step = int(step)
        elif self._form.linked:
            self._form.step = self._first_open_step()
        if LINE.fullmatch(line):
            self._form.line = line

    def _first_open_step(self) -> int:
        form = self._form
        if form.task == OWN and not form.dataset:
            return 1
        return 2 if form.preset or not self._given("methods") else 7

    # -- what is trained ---------------------------------------------------------------------------------------------

    def _name(self) -> None:
        if name := self._given("name"):
            self._form.name = name[:LONGEST_NAME]

    def _base(self) -> None:
        asked = self._given("base_model")
        if asked in {model.name for model in self._there.models}:
            self._form.base_model = asked
        elif "/" in asked or "\\" in asked:
            self._form.base_model, self._form.folder = OWN, asked
        elif asked:
            self._note(
                mark("The base model “{value}” is not registered here; {chosen} is chosen."),
                asked,
                chosen=self._form.base_model,
            )
        elif size := self._size():
            self._form.told.append(tr("Choose a base model like that of the case: {size}.", size=size))

    def _size(self) -> str:
        architecture, parameters = self._given("architecture"), self._number("parameters")
        if architecture not in ("encoder", "decoder", "encoder-decoder") or parameters is None:
            return ""
        count = format_value(parameters, "count")
        return tr("{architecture}, {count} parameters", architecture=architecture, count=count)

    def _task(self) -> None:
        asked = self._given("task")
        if asked in {task.name for task in self._there.tasks}:
            self._form.task = asked
            return
        if asked:
            self._note(mark("The task “{value}” is not registered here."), asked)
        kind = self._kind()
        if kind is None and not self._given("dataset"):
            return
        self._form.task, self._form.kind = OWN, kind or self._form.kind
        self._form.dataset = self._given("dataset")
        if self._form.dataset:
            self._form.columns = {role: text for role in COLUMNS if (text := self._column(role))}
            self._own_extras()
        items = self._number("train_items")
        if items is not None and not self._form.dataset:
            count = format_value(items, "count")
            self._form.told.append(tr("Name your dataset: the case has {count} training items.", count=count))

    def _kind(self) -> str | None:
        asked = self._given("kind")
        if not asked or asked in {kind.name for kind in self._there.kinds}:
            return asked or None
        self._note(mark("The kind of task “{value}” does not exist."), asked)
        return None

    def _column(self, role: str) -> str:
        return ", ".join(read_list(self._given(role))) if role == "choices" else self._given(role)

    def _own_extras(self) -> None:
        """A folder of the dataset and sizes of its splits: kept, for the form has no fields for them."""
        extras: dict[str, Any] = {"folder": self._given("folder")} if self._given("folder") else {}
        if sizes := self._given("splits"):
            try:
                names = tuple(Splits.model_fields)
                split = Splits(**dict(zip(names, (int(size) for size in sizes.split("~")), strict=False)))
                extras["splits"] = split.model_dump()
            except (ValueError, TypeError):
                self._note(
                    mark("The splits “{value}” are not sizes of a training, a validation and a test split."), sizes
                )
        if extras:
            self._form.kept["task"] = extras
            self._form.told += [tr(KEPT_EXTRAS[name]) for name in extras]

    # -- how ---------------------------------------------------------------------------------------------------------

    def _preset(self) -> None:
        asked = self._given("preset")
        if not asked:
            return
        found = next((card for card in self._there.presets if card.key == asked), None)
        if found is None:
            self._note(mark("The preset “{value}” does not exist."), asked)
            return
        self._form.preset = found.key
        self._form.rows = [
            {"method": entry.method, "fixed": entry.hyperparameters, "label": entry.label}
            for entry in found.entries
            if entry.method not in REFERENCES and entry.not_offered is None
        ]

    def _methods(self) -> None:
        if self._form.draft and self._given("methods") == NONE:
            self._form.rows = []
        asked = read_methods(self._given("methods"))
        built = [one for name, values, rates in asked if (one := self._built(name, values, rates)) is not None]
        if not built:
            return
        labels = distinct_labels([build_method(name, values) for name, values, _ in built])
        rows = [self._row(*one, label) for one, label in zip(built, labels, strict=True)]
        for row in rows:
            if sum(other["method"] == row["method"] for other in rows) == 1:
                # The only row of its method: its values stand in the fields, where they can be changed.
                self._form.values[row["method"]], row["fixed"], row["label"] = row["fixed"], {}, ""
        self._form.rows, self._form.preset = rows, ""

    def _built(self, name: str, values: dict[str, JsonValue], rates: list[float] | None) -> LinkedMethod | None:
        """The method with those hyper-parameters that it can have; None for a reference or a name that nobody has."""
        if name in REFERENCES:
            return None
        try:
            method_class(name)
        except UnknownName:
            self._note(mark("The method “{value}” does not exist."), name)
            return None
        while True:
            try:
                build_method(name, values)
            except InvalidHyperparameter as error:
                wrong = error.field if error.field in values else next(iter(values))
                self._note(
                    mark("{field} of {method} “{value}” is no value for it; the default is."),
                    str(values[wrong]),
                    field=wrong,
                    method=name,
                )
                values = {key: value for key, value in values.items() if key != wrong}
            else:
                return name, values, rates

    def _row(self, name: str, values: dict[str, JsonValue], rates: list[float] | None, label: str) -> Row:
        row: Row = {"method": name, "fixed": values, "label": label}
        if rates is None:
            return row
        kept = sorted({rate for rate in rates if 0 < rate <= 10})
        if not kept or len(kept) < len(rates):
            self._note(mark("A learning rate of “{value}” is not above 0 and at most 10."), label)
        if kept:
            row["learning_rates"] = kept
            listed = ", ".join(f"{rate:g}" for rate in kept)
            self._form.told.append(tr("{label} tries the link's learning rates: {rates}.", label=label, rates=listed))
        return row

    def _references(self) -> None:
        if not (asked := self._given("references")):
            return
        names = read_list(asked)
        self._form.references = [name for name in REFERENCES if name in names]
        for name in names:
            if name not in REFERENCES:
                self._note(mark("The reference “{value}” does not exist."), name)

    # -- how long, how often, where ----------------------------------------------------------------------------------

    def _budget(self) -> None:
        asked = {name: value for name in BUDGET_FIELDS if (value := self._number(name, NO_BUDGET_NUMBER)) is not None}
        if "steps" in asked:
            asked.pop("epochs", None)
        elif "epochs" not in asked:
            asked["epochs"] = 3
        if self._given("gradient_checkpointing") == "true":
            asked["gradient_checkpointing"] = True
        while True:
            try:
                self._form.budget = Budget(**asked)
                return
            except ValidationError as error:
                wrong = self._wrong(asked, error)
                self._note(
                    mark("The budget's {field} “{value}” cannot be; the default is."),
                    str(asked.pop(wrong)),
                    field=wrong.replace("_", " "),
                )
                if "steps" not in asked and "epochs" not in asked:
                    asked["epochs"] = 3

    @staticmethod
    def _wrong(asked: Mapping[str, Any], error: ValidationError) -> str:
        """The field that an error is about; one that only goes with others counts as theirs."""
        named = [str(part) for found in error.errors() for part in found["loc"] if str(part) in asked]
        together = ("patience", "accumulation", "evaluations", "batch_size", *asked)
        return (named or [name for name in together if name in asked])[0]

    def _number(self, name: str, otherwise: str = NO_NUMBER) -> int | None:
        text = self._given(name)
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) < 16:
            return int(text)
        self._note(otherwise, text, field=name.replace("_", " "))
        return None

    def _seeds(self) -> None:
        if "~" not in self._given("seeds"):
            self._form.seeds = self._number("seeds") or self._form.seeds
            return
        try:
            seeds = [int(seed) for seed in self._given("seeds").split("~") if seed]
        except ValueError:
            self._note(mark("The seeds “{value}” are not whole numbers."), self._given("seeds"))
            return
        self._form.seeds, self._form.kept["seeds"] = len(seeds), seeds
        listed = ", ".join(map(str, seeds))
        self._form.told.append(tr("Kept from the link while the number of seeds stays: {seeds}.", seeds=listed))

    def _choices(self) -> None:
        for name, offered in (("grid", GRIDS), ("tuning", TUNINGS), ("device", DEVICES)):
            asked = self._given(name)
            if asked in offered:
                setattr(self._form, name, asked)
            elif asked:
                self._note(NOT_OFFERED[name], asked)
        priority = self._given("priority")
        if priority.lstrip("-").isdigit() and abs(int(priority)) <= 10:
            self._form.kept["priority"] = int(priority)

    def _metrics(self) -> None:
        if not (asked := read_list(self._given("metrics"))):
            return
        known = {card.key for card in self._there.metrics}
        for name in asked:
            if name not in known:
                self._note(mark("The metric “{value}” does not exist."), name)
        if found := [name for name in asked if name in known]:
            self._form.kept["metrics"] = found
            titles = ", ".join(card.title.lower() for card in self._there.metrics if card.key in found)
            self._form.told.append(tr("Only the link's metrics are measured: {titles}.", titles=titles))
