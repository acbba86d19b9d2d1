"""The selection guide: each leaf asked as a recommendation of one study or of all that a team has."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Study
from app.language import mark, spaced, tr
from app.schemas import (
    GuideQuestionView,
    GuideRegret,
    LeafView,
    Number,
    NumberQuantity,
    Part,
    PathStep,
    RunnerUp,
    SelectionGuide,
    Sentence,
    StudyPick,
    TextbookLeaf,
)
from app.services.callers import Caller
from app.services.evidence import StudyEvidence, read_evidence
from app.services.numbers import counted_sentence, number, paragraph, sentence, text
from app.services.reasons import CAUSES
from app.services.studies import read_study
from peft_core.compare.recommend import Question, Verdict, recommend
from peft_core.compare.selection_guide import (
    ALWAYS,
    LEAST_STUDIES,
    LEAVES,
    QUESTIONS,
    ROOT,
    Combined,
    GuideQuestion,
    Leaf,
    Regret,
    StudyAnswer,
    agreement,
    combine,
    limits_of,
    path_to,
    regret,
    within,
)
from peft_core.method import methods
from peft_core.scenario import ConstraintName

MOST_STUDIES = 40
"""The newest; each is asked five questions."""

NO_ANSWER = mark("There is no answer from this study yet.")
VERDICT_WORDS: dict[Verdict, str] = {
    "clear": mark("clear"),
    "lean": mark("lean"),
    "no clear winner": mark("no clear winner"),
    "not enough evidence": mark("not enough evidence"),
}

DRAWS, SEED = Question.draws, Question.seed


def selection_guide(
    engine: Engine, caller: Caller, study_id: int | None, limits: Mapping[ConstraintName, float]
) -> SelectionGuide:
    """The whole tree, from one study or from the team's newest ones. Raises NotFound for a study that is not there."""
    with team_session(engine, caller.team_id) as session:
        evidence = [read_evidence(session, study) for study in _studies(session, study_id)]
        return _Guide(evidence, study_id, limits).document()


def _studies(session: Session, study_id: int | None) -> list[Study]:
    if study_id is not None:
        return [read_study(session, study_id)]
    return list(session.scalars(select(Study).order_by(Study.id.desc()).limit(MOST_STUDIES)))


class _Guide:
    """The leaves' answers, put into a document."""

    def __init__(
        self, evidence: Sequence[StudyEvidence], study_id: int | None, limits: Mapping[ConstraintName, float]
    ) -> None:
        self._evidence = {found.study.id: found for found in evidence}
        self._rows = {row.id: row for found in evidence for row in found.configurations}
        self._study_id, self._limits = study_id, limits
        self._answers = {key: self._asked(key, leaf) for key, leaf in LEAVES.items()}

    def _asked(self, key: str, leaf: Leaf) -> list[StudyAnswer]:
        question = leaf.question(limits_of(key, self._limits))
        answers = []
        for study, evidence in self._evidence.items():
            rows = {row.key: self._rows[row.key].method for row in evidence.as_evidence.candidates}
            answers.append(StudyAnswer(study, recommend(evidence.as_evidence, question), rows))
        return answers

    def document(self) -> SelectionGuide:
        cost = regret(list(self._answers.values()))
        return SelectionGuide(
            study=self._study_id,
            studies=len(self._evidence),
            root=ROOT,
            questions=[
                GuideQuestionView(
                    key=key, text=tr(question.text), yes=question.yes, no=question.no, limit=question.limit
                )
                for key, question in QUESTIONS.items()
            ],
            leaves=[self._leaf(key, leaf) for key, leaf in LEAVES.items()],
            regret=None if cost is None else self._regret(cost),
            regret_sentence=self._regret_words(cost),
            draws=DRAWS,
            seed=SEED,
        )

    # -- leaves ------------------------------------------------------------------------------------------------------

    def _leaf(self, key: str, leaf: Leaf) -> LeafView:
        answers = self._answers[key]
        found = combine(answers)
        question = leaf.question(limits_of(key, self._limits))
        return LeafView(
            key=key,
            path=[PathStep(question=step, answer=said) for step, said in path_to(key)],
            scenarios=list(leaf.scenarios),
            weights=dict(question.weights),
            quality_floor=question.quality_floor,
            constraints=dict(question.constraints),
            verdict=found.verdict,
            method=found.method,
            title=None if found.method is None else _title(found.method),
            family=self._family(found.method) if found.method else None,
            p_best=None if found.method is None else self._share(key, found.shares[found.method], answers),
            runner_up=self._runner_up(key, found, answers),
            studies=found.studies,
            picks=[self._pick(key, answer) for answer in answers],
            textbook=self._textbook(leaf, found, answers),
            sentence=self._words(key, found, answers) if found.method else self._no_words(answers),
        )

    def _runner_up(self, leaf: str, found: Combined, answers: Sequence[StudyAnswer]) -> RunnerUp | None:
        order = list(found.shares)
        if len(order) < 2 or found.shares[order[1]] <= 0:
            return None
        second = order[1]
        share = self._share(leaf, found.shares[second], answers)
        return RunnerUp(method=second, title=_title(second), family=self._family(second), p_best=share)

    def _family(self, method: str) -> Any:
        return next(row.family for row in self._rows.values() if row.method == method)

    def _pick(self, leaf: str, found: StudyAnswer) -> StudyPick:
        name = self._evidence[found.study].study.name
        if not found.answered:
            why = tr(CAUSES.get(found.answer.cause or "", NO_ANSWER))
            return StudyPick(study=found.study, name=name, verdict="not enough evidence", reason=why)
        first = found.answer.ranked[0]
        row = self._rows[first.key]
        return StudyPick(
            study=found.study,
            name=name,
            verdict=found.answer.verdict,
            configuration=row.id,
            method=row.method,
            label=tr(row.label),
            family=self._family(row.method),
            p_best=self._share(leaf, first.p_best, [found], f"configuration {row.id}"),
        )

    def _textbook(self, leaf: Leaf, found: Combined, answers: Sequence[StudyAnswer]) -> TextbookLeaf:
        book = leaf.textbook
        measured = frozenset(name for answer in answers if answer.answered for name in answer.methods.values())
        values = self._values(book.parameter, book.method, answers) if found.method == book.method else []
        return TextbookLeaf(
            title=tr(book.title),
            method=book.method,
            parameter=book.parameter,
            lo=book.lo if book.parameter else None,
            hi=book.hi if book.parameter else None,
            agreement=agreement(found, book, measured),
            values=values,
            range_agrees=within(values, book),
        )

    def _values(self, parameter: str | None, method: str, answers: Sequence[StudyAnswer]) -> list[float]:
        """The hyper-parameter of each study's best configuration of the method."""
        if parameter is None:
            return []
        best = [
            next((self._rows[row.key] for row in found.answer.ranked if self._rows[row.key].method == method), None)
            for found in answers
        ]
        return [value for row in best if row is not None and (value := _number(row, parameter)) is not None]

    # -- words and numbers -------------------------------------------------------------------------------------------

    def _words(self, key: str, found: Combined, answers: Sequence[StudyAnswer]) -> Sentence:
        assert found.method is not None, "there is an answer"
        order = list(found.shares)
        told = self._count(found.studies, "studies_that_answer", key)
        names: Sentence = [Part(label=_title(found.method))]
        if found.verdict == "no clear winner" and len(order) > 1 and found.shares[order[1]] > 0:
            names = sentence("{first} or {second}", first=names, second=Part(label=_title(order[1])))
        return counted_sentence(
            "{methods} ({verdict}): first in {share} of the draws, from {studies} study.",
            "{methods} ({verdict}): first in {share} of the draws, from {studies} studies.",
            found.studies,
            methods=names,
            verdict=tr(VERDICT_WORDS[found.verdict]),
            share=number(self._share(key, found.shares[found.method], answers)),
            studies=told,
        )

    def _no_words(self, answers: Sequence[StudyAnswer]) -> Sentence:
        if not answers:
            return sentence("There is no study yet. Launch one, and the guide answers from what it measures.")
        causes = dict.fromkeys(CAUSES.get(found.answer.cause or "", "") for found in answers)
        return [text(spaced([tr("Not enough evidence."), *(tr(cause) for cause in causes if cause)]))]

    def _regret(self, cost: Regret) -> GuideRegret:
        return GuideRegret(
            guide=self._by_formula(cost.guide, "regret_of_the_guide", "score"),
            always=self._by_formula(cost.always, "regret_of_always", "score"),
            always_method=ALWAYS,
            studies=cost.studies,
            wins=cost.wins,
        )

    def _regret_words(self, cost: Regret | None) -> Sentence:
        always = Part(label=tr("always {method}", method=_title(ALWAYS)))
        if cost is None:
            least = self._by_formula(LEAST_STUDIES, "least_studies", "count")
            return sentence(
                "Whether these questions beat {always} is not known: it takes {least} studies that answer and have it"
                " among their methods.",
                always=always,
                least=number(least),
            )
        told = self._regret(cost)
        lost = sentence(
            "In a study left out, following the guide loses {guide} of the score against the best there; {always} loses"
            " {other}.",
            guide=number(told.guide),
            always=always,
            other=number(told.always),
        )
        studies = self._count(cost.studies, "studies_left_out")
        if cost.wins:
            return paragraph(lost, sentence("So the guide is better, over {studies} studies.", studies=studies))
        return paragraph(
            lost,
            sentence(
                "So the guide does not win: one method for all is as good, over {studies} studies.", studies=studies
            ),
        )

    def _share(self, leaf: str, value: float, answers: Sequence[StudyAnswer], of: str | None = None) -> Number:
        """A P(best), with the runs of the studies that it was drawn from."""
        told = [found.study for found in answers if found.answered]
        runs = sorted(run.id for study in told for run in self._evidence[study].finished if run.purpose != "tune")
        found = self._by_formula(value, "p_best", "probability", leaf, of)
        return found.model_copy(update={"run_ids": runs})

    def _count(self, value: int, statistic: str, leaf: str | None = None) -> Part:
        return number(self._by_formula(value, statistic, "count", leaf))

    def _by_formula(
        self, value: float, statistic: str, quantity: NumberQuantity, leaf: str | None = None, of: str | None = None
    ) -> Number:
        given = [f"study {self._study_id}"] if self._study_id is not None else [f"studies {len(self._evidence)}"]
        given += [f"leaf {leaf}"] if leaf else []
        given += [of] if of else []
        formula = f"selection_guide({', '.join([*given, f'draws {DRAWS}', f'seed {SEED}'])})"
        return Number(value=value, quantity=quantity, statistic=statistic, formula=formula)


def _title(method: str) -> str:
    """The catalogue's name; an imported method that it does not have keeps its own."""
    known = methods().get(method)
    return tr(known.title) if known else method


def _number(row: Configuration, parameter: str) -> float | None:
    value = row.hyperparameters.get(parameter)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _question(key: str, asked: GuideQuestion) -> GuideQuestionView:
    return GuideQuestionView(key=key, text=tr(asked.text), yes=asked.yes, no=asked.no, limit=asked.limit)
