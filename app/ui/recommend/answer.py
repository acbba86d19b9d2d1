"""The answer to a case: headline, reason, how sure, the ranking, who was ruled out and what would change it."""

from typing import Any, cast

from dash import html

from app.language import filled, spaced, tr
from app.schemas import Number, RankedCandidate, Recommendation, ScenarioCard, Vetoed
from app.ui.cells import Matrix
from app.ui.launch.link import study_address
from app.ui.numbers import show
from app.ui.recommend.alternatives import ruled_out, what_changes
from app.ui.recommend.case import CRITERION_TITLES
from app.ui.recommend.verdicts import VERDICTS, verdict_tag
from app.ui.sentences import sentence
from app.ui.study.parts import named, tag
from app.ui.study.tabs import table

LEAST_NAMED = 0.15
"""A segment of the bar this wide has room for its name."""
RAW_COLUMNS = 3
"""Raw values in a row of the ranking: quality and the two that weigh most."""


def answer(found: Recommendation, matrix: Matrix, card: ScenarioCard | None) -> html.Div:
    """Everything right of the sliders."""
    return html.Div(
        [
            _headline(found, card),
            *([_ranking(found, matrix)] if found.ranked else []),
            html.Div([what_changes(found), ruled_out(found)], className="recommend-columns"),
        ],
        className="recommend-answer",
    )


def _headline(found: Recommendation, card: ScenarioCard | None) -> html.Section:
    tone = VERDICTS[found.verdict][1]
    first = next((row for row in found.ranked if row.configuration == found.pick), None)
    probability = [] if first is None else [_probability(first, found.seed_variance == "unknown")]
    return html.Section(
        [
            html.Div(
                [
                    html.Div([verdict_tag(found.verdict), *_setting(card)], className="recommend-verdict"),
                    html.H2(_title(found), className="recommend-headline"),
                    html.P(sentence(found.reason), className="recommend-reason"),
                    *_beats(found),
                    *_rests_on(found),
                    *_next_step(found),
                ]
            ),
            *probability,
            *([_split(found)] if found.picks else []),
        ],
        className=f"panel recommend-lead recommend-{tone}",
        **{"data-region": "evidence"},
    )


def _setting(card: ScenarioCard | None) -> list[Any]:
    words = (
        tr("For {scenario}, from one study", scenario=card.title.lower())
        if card
        else tr("For your own weights, from one study")
    )
    return [html.Span(words, className="quiet")]


def _title(found: Recommendation) -> list[Any]:
    if not found.picks:
        return [found.headline]
    names = pick_names(found)
    return filled("Use {methods}", methods=html.Span(names)) if found.verdict in ("clear", "lean") else names


def _beats(found: Recommendation) -> list[Any]:
    """How often the pick beats the one that the verdict was taken against."""
    rival = found_row(found, found.runner_up)
    if rival is None or found.beats_runner_up is None or not found.picks:
        return []
    pick = found_row(found, found.pick)
    words = filled(
        "{pick} beats {rival} in {share} of the draws.",
        pick=html.B(pick.label, **{"data-label": pick.label}) if pick else tr("It"),
        rival=named(rival.label, rival.family),
        share=show(found.beats_runner_up),
    )
    return [html.P(words)]


def _rests_on(found: Recommendation) -> list[Any]:
    """What a reader must know of the answer's footing: a stand-in, an assumed floor, single seeds."""
    if not found.notes:
        return []
    lines = [html.Li(sentence(note)) for note in found.notes]
    label = html.Span(tr("What this rests on"), className="label")
    return [html.Div([label, html.Ul(lines, className="note-list")], className="recommend-notes", role="note")]


def _next_step(found: Recommendation) -> list[Any]:
    """What to run next, filled in; and the study itself where there is no answer."""
    wanting = found.verdict == "not enough evidence"
    links: list[Any] = []
    if found.next_study is not None:
        how = found.next_study.name.rpartition(", ")[2]
        look = "button" if wanting else "button button-plain"
        links.append(html.A(tr("Run it again {how}", how=how), href=study_address(found.next_study), className=look))
    if wanting:
        plain = "button button-plain" if links else "button"
        links.append(html.A(tr("Open the study"), href=f"/studies/{found.study}", className=plain))
    if wanting and found.next_study is None:
        links.append(html.A(tr("New study"), href="/studies/new", className="button button-plain"))
    return [html.Div(links, className="recommend-next")] if links else []


def _probability(row: RankedCandidate, single: bool) -> html.Div:
    note = tr("no seed noise in it") if single else tr("of the draws rank it first")
    big = html.Div(show(row.p_best), className="recommend-p" + (" recommend-p-single" if single else ""))
    return html.Div([html.Div(tr("P(best)"), className="label"), big, html.Div(note, className="label")])


def _split(found: Recommendation) -> html.Div:
    """The draws as one bar: the picks by name, hatched what the others share."""
    picks = [row for key in found.picks for row in found.ranked if row.configuration == key]
    shown = picks if len(picks) > 1 else found.ranked[:2]
    segments = [
        html.Div(
            html.Span(row.label, **{"data-label": row.label}) if row.p_best.value >= LEAST_NAMED else None,
            className=f"split-segment split-{place}",
            style={"flexGrow": row.p_best.value},
        )
        for place, row in enumerate(shown)
        if row.p_best.value > 0
    ]
    rest = max(0.0, 1 - sum(row.p_best.value for row in shown))
    others = [html.Div(className="split-segment split-others", style={"flexGrow": rest})] if rest > 0 else []
    draws = _of_answer(found, float(found.draws), "draws", "count")
    caption = filled(
        "Share of {draws} draws over seeds and test items in which each ranks first. Hatched: others.",
        draws=show(draws),
    )
    return html.Div(
        [
            html.Div([*segments, *others], className="split-bar", **{"aria-hidden": "true"}),
            html.P(caption, className="study-note"),
        ],
        className="recommend-split",
    )


def _of_answer(found: Recommendation, value: float, statistic: str, quantity: str) -> Number:
    """A number of the recommendation itself: the same formula as its probabilities."""
    formula = next((row.p_best.formula for row in found.ranked), None)
    return Number(value=value, quantity=cast(Any, quantity), statistic=statistic, formula=formula)


def _ranking(found: Recommendation, matrix: Matrix) -> html.Section:
    metrics = _raw_metrics(found)
    titles = [tr("P(best)"), tr("Rank"), tr("Score"), *(matrix.title(matrix.cards[key]) for key in metrics)]
    heads = [html.Th(title) for title in (tr("Method"), *titles)]
    body = [_ranked_row(found, row, metrics, titles) for row in found.ranked]
    note = [html.P(words, className="study-note")] if (words := _dropped(found)) else []
    return html.Section(
        [
            html.Div(
                [
                    html.H3(tr("Ranked answer")),
                    html.Span(tr("rank: middle nine tenths of the draws; score on fixed anchors"), className="quiet"),
                ],
                className="panel-head",
            ),
            table(html.Tr(heads), body, className="recommend-ranking recommend-stacks"),
            *note,
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def _raw_metrics(found: Recommendation) -> list[str]:
    """The raw values shown: of the pick, in the order the weights ask for, quality first."""
    return list(found.ranked[0].values)[:RAW_COLUMNS]


def _ranked_row(found: Recommendation, row: RankedCandidate, metrics: list[str], titles: list[str]) -> html.Tr:
    lo, hi = (
        _of_answer(found, float(rank), name, "count")
        for rank, name in zip(row.rank_interval, ("rank_lo", "rank_hi"), strict=True)
    )
    ranks = [show(lo)] if lo.value == hi.value else [show(lo), "–", show(hi)]
    bar = html.Span(
        html.Span(style={"width": f"{100 * row.p_best.value:.1f}%"}), className="p-bar", **{"aria-hidden": "true"}
    )
    raw = [show(row.values[key]) if key in row.values else "–" for key in metrics]
    cells = [html.Div([bar, show(row.p_best)], className="p-cell"), html.Div(ranks), show(row.score), *raw]
    return html.Tr(
        [
            html.Th([named(row.label, row.family), *_off_the_front(row)], scope="row"),
            *[html.Td(cell, **{"data-column": title}) for cell, title in zip(cells, titles, strict=True)],
        ],
        className="recommend-pick" if row.configuration in found.picks else "",
    )


def _off_the_front(row: RankedCandidate) -> list[Any]:
    if row.on_front:
        return []
    meaning = tr("Another candidate is at least as good in everything that has a weight.")
    return [tag(tr("not on the front"), "plain", meaning)]


def _dropped(found: Recommendation) -> list[Any]:
    said = set(found.dropped_criteria.values())
    others = [reason for reason in dict.fromkeys(found.dropped_metrics.values()) if reason not in said]
    words = [
        *(
            tr(
                "{criterion} is left out for all: {reason}. Its weight went to the others.",
                criterion=tr(CRITERION_TITLES[criterion]),
                reason=reason,
            )
            for criterion, reason in found.dropped_criteria.items()
        ),
        *(tr("{reason}: left out for all.", reason=reason) for reason in others),
    ]
    return [spaced(words)] if words else []


def found_row(found: Recommendation, key: int | None) -> RankedCandidate | Vetoed | None:
    """A row of the answer, ranked or ruled out."""
    rows: list[RankedCandidate | Vetoed] = [*found.ranked, *found.vetoed]
    return next((row for row in rows if row.configuration == key), None)


def pick_names(found: Recommendation) -> list[Any]:
    """The picks by name, "or" between them; the second may be one that only quality ruled out."""
    rows = [row for key in found.picks if (row := found_row(found, key)) is not None]
    return either([named(row.label, row.family) for row in rows])


def either(names: list[Any]) -> list[Any]:
    """One name, or two with "or" between them."""
    return filled("{first} or {second}", first=names[0], second=names[1]) if len(names) == 2 else names
