"""A recommendation's sentences: why this pick, why others are out, and what the answer rests on."""

from app.db.tables import Configuration
from app.language import mark, tr
from app.schemas import Number, NumberQuantity, Part, Sentence, Vetoed
from app.services.evidence import StudyEvidence
from app.services.numbers import label, listed, mean, paragraph, ratio, sentence, text
from peft_core.compare.recommend import QUALITY, Answer, Question, Veto
from peft_core.metric import LinearAnchors, metrics
from peft_core.scenario import ConstraintName, Criterion
from peft_core.task import sign

CRITERION_NAMES: dict[Criterion, str] = {
    "footprint": mark("parameters and storage"),
    "training_speed": mark("training speed"),
    "inference": mark("inference"),
    "quality": mark("quality"),
    "memory": mark("peak memory"),
    "simplicity": mark("simplicity"),
}

LIMIT_NAMES: dict[ConstraintName, str] = {
    "peak_memory_bytes": mark("peak memory"),
    "storage_bytes": mark("storage"),
    "train_seconds": mark("training time"),
    "inference_latency_p95_seconds": mark("the latency of slow answers"),
    "switch_seconds": mark("adapter switch time"),
    "quality_standard_errors": mark("the distance to the best quality"),
}

SPOKEN = {
    QUALITY: mark("{value} on the task"),
    "trainable_parameters": mark("{value} trainable parameters"),
    "storage_bytes": mark("{value} of storage"),
    "training_speed": mark("{value} tokens a second in training"),
    "inference_latency": mark("{value} an answer"),
    "inference_latency_p95": mark("{value} for its slow answers"),
    "switch_time": mark("{value} an adapter switch"),
    "peak_memory": mark("{value} of peak memory"),
    "simplicity": mark("{value} simplicity"),
}
"""How a metric's value is spoken of."""

BOUGHT = {
    "trainable_parameters": mark("{times} fewer trainable parameters"),
    "storage_bytes": mark("{times} less storage"),
    "training_speed": mark("{times} the training speed"),
    "inference_latency": mark("{times} faster answers"),
    "switch_time": mark("{times} faster switches"),
    "peak_memory": mark("{times} less peak memory"),
}
"""How a metric is spoken of where one row is so many times better than another."""
LEAST_BOUGHT = 1.05
"""Ratios below this are not worth a word."""

CAUSES = {
    "references": mark(
        "Quality has no scale: full fine-tuning, or a LoRA row that can stand in for it, and an untuned row must both"
        " be measured. Run them and ask again."
    ),
    "gain": mark(
        "The reference does not clearly beat the untuned floor here, so there is no gain to share out. "
        "Train longer or on more data, then ask again."
    ),
    "candidates": mark(
        "No measured method meets what must hold. Loosen a constraint or the quality floor, or measure more methods."
    ),
    "weights": mark("Every criterion with a weight is without a measurement. Give weight to another."),
}
"""Why there is not enough evidence, and what to do next."""


class Reasons:
    """An answer put into words, each number with the runs or the draws it came from."""

    def __init__(self, evidence: StudyEvidence, question: Question, found: Answer) -> None:
        self._evidence, self._question, self._found = evidence, question, found
        self._rows = {row.id: row for row in evidence.configurations}

    def number(self, value: float, statistic: str, quantity: NumberQuantity) -> Number:
        """A figure of the recommendation itself."""
        question = self._question
        formula = f"recommendation(study {self._evidence.study.id}, draws {question.draws}, seed {question.seed})"
        return Number(value=value, quantity=quantity, statistic=statistic, formula=formula)

    # -- why this pick ------------------------------------------------------------------------------------------------

    def reason(self) -> Sentence:
        """Why the pick is the pick, with raw numbers; where there is none, what is wanting and what to run next."""
        found = self._found
        if found.cause is not None:
            return self._no_scale() if found.cause == "references" else [text(tr(CAUSES[found.cause]))]
        first = self._rows[found.ranked[0].key]
        if found.verdict == "no clear winner" and found.rival is not None:
            second = self._rows[found.rival]
            bought = sentence(
                "{first}; {second}.", first=self._bought(first, second), second=self._bought(second, first)
            )
            return paragraph(bought, self._challenger())
        if len(found.ranked) == 1:
            alone = sentence(
                "{method} is the only method that meets what must hold: {figures}.",
                method=label(first),
                figures=self._raw(first),
            )
            return paragraph(alone, self._challenger())
        second = self._rows[found.ranked[1].key]
        both = sentence(
            "{first} has {figures}; {second} has {others}.",
            first=label(first),
            figures=self._raw(first),
            second=label(second),
            others=self._raw(second),
        )
        return paragraph(both, self._against_reference(first))

    def _no_scale(self) -> Sentence:
        if any(run.status in ("queued", "running") for run in self._evidence.all_runs):
            return sentence("The runs that give quality its scale are not in yet. Ask again when the study has ended.")
        return [text(tr(CAUSES["references"]))]

    def _heaviest(self) -> list[str]:
        """The metrics that weigh most, quality first: what a reason speaks of."""
        order = sorted(self._found.weights, key=lambda name: -self._found.weights[name])
        return [QUALITY, *[self._found.metrics[name][-1] for name in order if name != "quality"][:2]]

    def _raw(self, row: Configuration) -> Sentence:
        return listed(
            [
                _spoken(mean(self._evidence, row, metric), metric)
                for metric in self._heaviest()
                if self._evidence.values(row.id, metric)
            ]
        )

    def _bought(self, row: Configuration, other: Configuration) -> Sentence:
        """What choosing a row over another one buys: points on the task, and how many times less of each cost."""
        bought: list[Sentence] = []
        if (gained := self._points(row, other)) is not None:
            bought.append(gained)
        for metric in [key for keys in self._found.metrics.values() for key in keys]:
            times = self._times(row, other, metric)
            if times is not None and times.number is not None and times.number.value >= LEAST_BOUGHT:
                bought.append(_bought(times, metric))
        if not bought:
            return sentence("{method} buys nothing that was measured", method=label(row))
        return sentence("{method} buys {gains}", method=label(row), gains=listed(bought))

    def _points(self, row: Configuration, other: Configuration) -> Sentence | None:
        """How much better the row's mean quality is, and whether the test separates the two; None where it is not."""
        ours, theirs = (self._evidence.values(one.id, QUALITY) for one in (row, other))
        gained = sum(ours.values()) / len(ours) - sum(theirs.values()) / len(theirs)
        if sign(self._evidence.task) * gained <= 0:
            return None
        share = self._evidence.task.quantity == "fraction"
        shown = Number(
            value=gained,
            quantity="points" if share else self._evidence.task.quantity,
            statistic="difference",
            metric=QUALITY,
            source=self._evidence.source([*ours, *theirs]),
            run_ids=list(ours),
            reference_run_ids=list(theirs),
        )
        separated = self._evidence.as_evidence.differs(row.id, other.id)
        if share:
            gain = sentence("{difference} points on the task", difference=Part(number=shown))
        else:
            gain = sentence("{difference} on the task", difference=Part(number=shown))
        return gain if separated else sentence("{gain} (not separated by the test)", gain=gain)

    def _times(self, row: Configuration, other: Configuration, metric: str) -> Part | None:
        """How many times better the row is in a metric that is a ratio to the reference; None for others."""
        if metric == QUALITY or isinstance(metrics()[metric].anchors, LinearAnchors):
            return None
        both = [list(self._evidence.values(one.id, metric).values()) for one in (row, other)]
        return ratio(self._evidence, row, other, metric) if all(sum(values) > 0 for values in both) else None

    def _against_reference(self, row: Configuration) -> Sentence:
        reference = self._evidence.reference
        if reference is None or row is reference or not self._evidence.values(reference.id, "storage_bytes"):
            return []
        name = text(tr("Full fine-tuning")) if reference is self._evidence.full else label(reference)
        quality = mean(self._evidence, reference, QUALITY)
        times = self._times(row, reference, "storage_bytes")
        if times is None:
            return sentence("{reference} scores {quality}.", reference=name, quality=quality)
        return sentence(
            "{reference} scores {quality} and stores {times} as much as {method}.",
            reference=name,
            quality=quality,
            times=times,
            method=label(row),
        )

    def _challenger(self) -> Sentence:
        """The likeliest of those that quality ruled out, where it might be the best after all."""
        likeliest = max(self._found.vetoed, key=lambda veto: veto.p_best, default=None)
        if likeliest is None or likeliest.p_best < LEAST_CHANCE:
            return []
        chance = Part(number=self.number(likeliest.p_best, "p_best", "probability"))
        row = self._rows[likeliest.key]
        return sentence(
            "{method} misses what is asked of quality by less than the noise: best in {chance}.",
            method=label(row),
            chance=chance,
        )

    # -- why others are out -------------------------------------------------------------------------------------------

    def vetoed(self) -> list[Vetoed]:
        """Who was ruled out, by which limit or the quality floor, and who did not learn."""
        return [self._vetoed(veto) for veto in self._found.vetoed] + self._unlearned()

    def _vetoed(self, veto: Veto) -> Vetoed:
        row = self._rows[veto.key]
        if veto.value is None:
            what = tr(metrics()[veto.metric].title).lower() if veto.metric in metrics() else tr("training time")
            return _ruled_out(row, sentence("no {metric} is measured to hold against the limit", metric=what))
        measured = veto.metric in metrics() and self._evidence.values(row.id, veto.metric)
        seconds = Part(number=self.number(veto.value, "train_seconds", "seconds"))
        value = mean(self._evidence, row, veto.metric) if measured else seconds
        quantity = self._evidence.card(veto.metric).quantity if veto.metric in metrics() else "seconds"
        of_quality = veto.metric == QUALITY
        direction = sign(self._evidence.task) if of_quality else 1.0
        limit = Part(number=self.number(direction * veto.limit, "limit", quantity))
        figure = _spoken(value, veto.metric)
        if of_quality:
            reason = sentence("{figure} does not reach the floor {limit}", figure=figure, limit=limit)
        else:
            reason = sentence("{figure} is above the limit {limit}", figure=figure, limit=limit)
        out = _ruled_out(row, reason)
        chance = self.number(veto.p_best, "p_best", "probability") if of_quality else None
        return out.model_copy(update={"p_best": chance})

    def _unlearned(self) -> list[Vetoed]:
        rows = [row for row in self._rows.values() if row is not self._evidence.untuned]
        reason = sentence("did not learn: every learning rate of its grid stayed at the untuned floor")
        return [_ruled_out(row, reason) for row in rows if not self._evidence.shown_to_learn(row)]

    def left_out(self) -> list[Vetoed]:
        """Who could not be ranked for want of a measurement that failed."""
        return [
            _ruled_out(
                self._rows[key], sentence("{metric} is not measured", metric=tr(metrics()[metric].title).lower())
            )
            for key, metric in self._found.left_out
        ]

    # -- what the answer rests on -------------------------------------------------------------------------------------

    def notes(self) -> list[Sentence]:
        """What a reader must know of the answer's footing."""
        return [words for words in (self._stand_in(), self._assumed_floor(), self._single_seeds()) if words]

    def _stand_in(self) -> Sentence:
        reference = self._evidence.reference
        if self._evidence.reference_note is None or reference is None:
            return []
        return stands_in(label(reference), self._evidence.why_not_full)

    def _assumed_floor(self) -> Sentence:
        floor = self._evidence.as_evidence.floor
        if self._evidence.assumed_floor is None or floor is None:
            return []
        shown = self.number(sign(self._evidence.task) * floor, "assumed_floor", self._evidence.task.quantity)
        return sentence(
            "Assumed floor: there is no untuned row, so gains are counted from the task's chance level, {level}.",
            level=Part(number=shown),
        )

    def _single_seeds(self) -> Sentence:
        single = [self._rows[key] for key in self._found.single_seed]
        if not single:
            return []
        if len(single) == len(self._found.ranked):
            return sentence(
                "Every method has one seed only. How much seeds vary is unknown: this holds for these trained models,"
                " not for the methods."
            )
        return sentence(
            "{methods}: one seed only. How much seeds vary is unknown: this holds for these trained models, not for"
            " the methods.",
            methods=listed([label(row) for row in single]),
        )


LEAST_CHANCE = 0.025
"""A chance to be the best that is worth naming: what a clear answer leaves open."""


def dropped(found: Answer) -> tuple[dict[Criterion, str], dict[str, str]]:
    """Criteria and metrics that were left out for all, each with the reason."""
    criteria = {name: _dropped(metric) for name, metric in found.dropped.items()}
    return criteria, {metric: _dropped(metric) for metric in found.dropped_metrics}


def _dropped(metric: str) -> str:
    title = tr(metrics()[metric].title)
    return tr("{metric} is not measured for every method here, or not for the reference", metric=title)


def _spoken(value: Part, metric: str) -> Sentence:
    """A metric's value with what it is: "180 MiB of peak memory"."""
    if metric in SPOKEN:
        return sentence(SPOKEN[metric], value=value)
    title = tr(metrics()[metric].title).lower() if metric in metrics() else tr("training time")
    return sentence("{value} {metric}", value=value, metric=title)


def _bought(times: Part, metric: str) -> Sentence:
    if metric in BOUGHT:
        return sentence(BOUGHT[metric], times=times)
    return sentence("{times} {metric}", times=times, metric=tr(metrics()[metric].title).lower())


def stands_in(name: Part, why: str | None) -> Sentence:
    """What stands in for full fine-tuning, and why."""
    return sentence("{method} stands in for full fine-tuning as the reference: {why}.", method=name, why=why or "")


def _ruled_out(row: Configuration, reason: Sentence) -> Vetoed:
    return Vetoed(configuration=row.id, label=tr(row.label), family=row.family, reason=reason)
