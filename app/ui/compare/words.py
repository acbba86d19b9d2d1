"""What two methods, and all of them, show over the studies: in words and as tables beside the figures."""

from typing import Any

from dash import html

from app.language import filled, tr
from app.schemas import PairAcross, StudiesCompared, StudyDifference
from app.ui.charts.pair_forest import outcome
from app.ui.compare.matrix import title_of
from app.ui.numbers import by_formula, show

STRONG = "sentence-number"


def pair_sentence(found: StudiesCompared) -> list[Any]:
    """The test's answer; below eight studies, how many are missing."""
    pair = found.pair
    if pair is None:
        return [tr("Choose two studies or more that have two methods in common.")]
    a, b = (_named(found, method) for method in (pair.a, pair.b))
    if pair.signed_rank is not None:
        return filled(
            "In a study to come {a} is practically better than {b} with a probability of {better}, practically equal"
            " with {equal}, and practically worse with {worse}.",
            a=a,
            b=b,
            better=show(pair.signed_rank.a, STRONG),
            equal=show(pair.signed_rank.equal, STRONG),
            worse=show(pair.signed_rank.b, STRONG),
        )
    return filled(
        "{a} and {b} were both measured in {found} of these studies. A test over studies takes {needed}; still"
        " missing: {missing}. Until then, each study by itself:",
        a=a,
        b=b,
        found=show(pair.found, STRONG),
        needed=show(pair.needed, STRONG),
        missing=show(pair.still_missing, STRONG),
    )


def _named(found: StudiesCompared, method: str) -> html.B:
    title = title_of(found, method)
    return html.B(title, **{"data-label": title})


def pair_note(pair: PairAcross) -> list[Any]:
    """What the marks and the shade mean."""
    note = filled(
        "Line: {level} interval in that study, by the one rule of every study; hollow where it covers none, which is"
        " not equality. P: how sure that study is that the first is better. Shade: differences within {rope} of full"
        " fine-tuning's gain, practically equal.",
        level=show(by_formula(0.95, "fraction", "confidence_level", exact=True)),
        rope=show(pair.rope),
    )
    if pair.signed_rank is None:
        return note
    return [*note, " ", tr("Test: Bayesian signed-rank (Benavoli and others); the cloud is its posterior.")]


def pair_table(found: StudiesCompared) -> html.Div:
    """The forest's numbers."""
    assert found.pair is not None, "shown where there is a pair"
    names = {study.id: study.name for study in found.studies}
    titles = (tr("Study"), tr("Difference, points of the gain"), tr("Interval"), tr("P(first better)"), tr("Shown"))
    rows = [_pair_row(one, names[one.study]) for one in found.pair.differences]
    return _table(titles, rows)


def _pair_row(one: StudyDifference, name: str) -> list[Any]:
    ends = [show(one.interval[0]), " – ", show(one.interval[1])] if one.interval else "–"
    verdicts = {"better": tr("better"), "tie": tr("tie"), "worse": tr("worse")}
    shown = html.Span(verdicts[outcome(one)], className=f"verdict verdict-{outcome(one)}")
    label = html.Span(name, **{"data-label": name})
    return [label, show(one.value), ends, show(one.p_a) if one.p_a else "–", shown]


def ranking_sentence(found: StudiesCompared) -> list[Any]:
    """Friedman's answer; below eight studies, how many are missing."""
    every = found.all
    if every is None or not every.places:
        return [tr("No chosen study has all of the chosen methods. Take a method or a study away.")]
    if every.friedman is not None and every.friedman.rejected:
        return filled(
            "Over {found} studies the methods differ (Friedman's test, p {p}). Methods that a bar joins are not shown"
            " to differ from each other.",
            found=show(every.found, STRONG),
            p=show(every.friedman.p_value, STRONG),
        )
    if every.friedman is not None:
        return filled(
            "Over {found} studies no difference between the methods is shown (Friedman's test, p {p}).",
            found=show(every.found, STRONG),
            p=show(every.friedman.p_value, STRONG),
        )
    if not every.enough_methods:
        return [tr("Ranking takes three methods or more; of two, the comparison above says more.")]
    return filled(
        "A critical-difference diagram takes {needed} studies that have all of these methods. There are {found};"
        " still missing: {missing}. Until then, what seeds and test items of these studies leave open:",
        needed=show(every.needed, STRONG),
        found=show(every.found, STRONG),
        missing=show(every.still_missing, STRONG),
    )


def ranking_note(found: StudiesCompared) -> list[Any]:
    """What the figure shows, and which studies are not in it."""
    every = found.all
    if every is None or not every.places:
        return []
    notes = [
        tr("Marks stand at the mean rank; farther apart than the critical difference, two methods differ (Nemenyi).")
        if every.friedman
        else tr("P(best): in which share of draws a method keeps the most in the mean of these studies, not of others.")
    ]
    names = {study.id: study.name for study in found.studies}
    if every.incomplete:
        gone = ", ".join(names[study] for study in every.incomplete)
        notes.append(tr("Not ranked, for a method is missing there: {studies}.", studies=gone))
    return [" ".join(notes)]


def ranking_table(found: StudiesCompared) -> html.Div:
    """The ranking's numbers."""
    assert found.all is not None, "shown where there is a ranking"
    titles = (
        *(tr("Method"), tr("Mean rank"), tr("Ranks in nine of ten draws"), tr("P(best)")),
        tr("Mean share of full's gain"),
    )
    rows = [
        [
            _named(found, place.method),
            show(place.mean_rank),
            [show(place.rank_lo), " – ", show(place.rank_hi)],
            show(place.p_best),
            show(place.share),
        ]
        for place in found.all.places
    ]
    return _table(titles, rows)


def _table(titles: tuple[str, ...], rows: list[list[Any]]) -> html.Div:
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
    return html.Div(html.Table([head, body], className="plain"), className="table-scroll", tabIndex="0")
