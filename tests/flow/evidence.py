"""Walks a rendered page: which digits say no source, and is every sourced number what the database gives?

Two halves. `read_page` asks Chromium what stands on the page: digits in evidence regions outside a sourced element,
and every sourced number in words and figures. `disagreements` derives each such number again from the rows of the
database (see recompute.py) and compares raw values and displayed texts. `check_page` is both.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Run
from app.schemas import Number
from app.ui.numbers import format_number
from tests.flow.recompute import PageQuestion, recompute, run_ids

TAG = re.compile(r"<[^>]*>")
Sourced = dict[str, Any]
"""The data-* attributes of a number without their prefix: source, statistic, metric, value, quantity, reference."""


@dataclass(frozen=True)
class ShownNumber:
    """A number on the page. text: as displayed, None inside a figure (see FigurePoint)."""

    text: str | None
    sourced: Sourced
    where: str


@dataclass(frozen=True)
class FigurePoint:
    """What a point of a figure says in its text or hover, with the entries that must explain every digit of it."""

    text: str
    entries: list[Sourced]
    where: str


@dataclass(frozen=True)
class PageEvidence:
    """unsourced: digits in evidence regions with no source, each with where it stands. quotes: texts of runs."""

    unsourced: list[str]
    numbers: list[ShownNumber]
    quotes: list[tuple[str, str]]
    address: str


READ_WORDS = """() => {
  // Names, ids, quotes of runs, times and inputs are no measurements; nor are a grid's heads, which are names.
  const OUTSIDE = '[data-source],[data-label],[data-id],[data-quote],[data-figure],.ag-header,'
    + 'time,script,style,input,textarea,select,option';
  const near = element => {
    const named = element.closest('[id]');
    return (named ? '#' + named.id + ' ' : '') + element.tagName.toLowerCase();
  };
  const unsourced = [];
  for (const region of document.querySelectorAll('[data-region="evidence"]')) {
    const walker = document.createTreeWalker(region, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent, parent = walker.currentNode.parentElement;
      if (!/\\p{Nd}/u.test(text) || !parent.checkVisibility() || parent.closest(OUTSIDE)) continue;
      unsourced.push(near(parent) + ': ' + text.trim());
    }
    for (const element of [region, ...region.querySelectorAll('[title],[aria-label],[alt]')]) {
      if (element.closest(OUTSIDE)) continue;
      for (const name of ['title', 'aria-label', 'alt']) {
        const text = element.getAttribute(name);
        if (text && /\\p{Nd}/u.test(text)) unsourced.push(near(element) + ' ' + name + ': ' + text);
      }
    }
  }
  const numbers = [...document.querySelectorAll('[data-source]')].map(element => ({
    text: element.textContent, where: near(element), sourced: {...element.dataset},
  }));
  const quotes = [...document.querySelectorAll('[data-quote]')].map(quote => [quote.dataset.quote, quote.textContent]);
  return {unsourced, numbers, quotes};
}"""

READ_FIGURES = """() => [...document.querySelectorAll('[data-figure="evidence"] .js-plotly-plot')].map(figure => ({
  where: (figure.closest('[id]') || figure).id || 'figure',
  annotations: (figure.layout.annotations || []).map(annotation => annotation.text || ''),
  traces: figure.data.map(trace => ({
    type: trace.type || 'scatter', mode: trace.mode || '', hoverinfo: trace.hoverinfo || '',
    hovertemplate: trace.hovertemplate || '', texttemplate: trace.texttemplate || '', name: trace.name || '',
    text: trace.text ?? null, hovertext: trace.hovertext ?? null, customdata: trace.customdata ?? null,
    points: (trace.y && trace.y.length !== undefined) ? trace.y.length : (trace.r ? trace.r.length : null),
  })),
}))"""


def read_page(page: Any) -> PageEvidence:
    """Everything on a Playwright `page` that is, or should have been, a sourced number."""
    words = page.evaluate(READ_WORDS)
    unsourced = list(words["unsourced"])
    numbers = [ShownNumber(found["text"], found["sourced"], found["where"]) for found in words["numbers"]]
    for figure in page.evaluate(READ_FIGURES):
        for number, trace in enumerate(figure["traces"]):
            where = f"figure {figure['where']}, trace {number} {trace['name']}".rstrip()
            points, problems = read_trace(trace, where)
            unsourced += problems + [problem for point in points if (problem := unexplained_digits(point))]
            numbers += [
                ShownNumber(None, entry, where) for point in points for entry in point.entries if "source" in entry
            ]
        unsourced += [
            f"figure {figure['where']}, annotation: {text}"
            for text in figure["annotations"]
            if has_digit(TAG.sub(" ", text))
        ]
    quotes = [(source, text) for source, text in words["quotes"]]
    return PageEvidence(unsourced, numbers, quotes, page.url)


def check_page(page: Any, engine: Engine, *, store: Path | None = None) -> list[str]:
    """Everything wrong with the numbers of a rendered page; empty where all is well."""
    evidence = read_page(page)
    return [f"no source: {found}" for found in evidence.unsourced] + disagreements(evidence, engine, store=store)


def disagreements(evidence: PageEvidence, engine: Engine, *, team_id: int = 1, store: Path | None = None) -> list[str]:
    """Sourced numbers and quotes that the database (and the files in `store`) do not give, by raw value or by
    displayed text."""
    asked = PageQuestion(engine, dict(parse_qsl(urlsplit(evidence.address).query)), store=store)
    problems = []
    with team_session(engine, team_id) as session:
        for number in evidence.numbers:
            problem = _disagreement(session, asked, number)
            problems += [f"{number.where}: {problem}"] if problem else []
        for source, text in evidence.quotes:
            reason = session.get_one(Run, run_ids(source)[0]).reason
            problems += [f"quote of {source}: {text!r} is not {reason!r}"] if text != reason else []
    return problems


def _disagreement(session: Any, asked: PageQuestion, number: ShownNumber) -> str | None:
    sourced = number.sourced
    shown = f"{number.text!r} ({sourced['statistic']} of {sourced['source']})"
    try:
        value = float(sourced["value"])
        matches = recompute(session, sourced, asked)
    except (KeyError, ValueError) as error:
        return f"{shown} cannot be computed again: {error!r}"
    if not any(math.isclose(value, found, rel_tol=1e-9, abs_tol=1e-12) for found in matches):
        return f"{shown} says {value!r}, the database gives {sorted(matches)!r}"
    if number.text is not None and number.text.strip() not in displays(sourced):
        return f"{shown} shows {number.text!r}, its value prints as {displays(sourced)[0]!r}"
    return None


def read_trace(trace: dict[str, Any], where: str) -> tuple[list[FigurePoint], list[str]]:
    """The speaking points of a plotly trace, and what is wrong with it as a whole."""
    entries = _per_point(trace["customdata"])
    hovers = trace["hoverinfo"] not in {"skip", "none"}
    texts = [text for text in (trace["text"], trace["hovertext"] if hovers else None) if text is not None]
    if trace["type"] != "heatmap" and "text" not in trace["mode"] and not hovers:
        texts = []
    points = []
    for text in texts:
        said = _flat(text)
        given = entries if len(entries) == len(said) else [[] for _ in said]
        points += [FigurePoint(str(one), found, where) for one, found in zip(said, given, strict=True) if one]
    if hovers and not texts:
        # Plotly's own hover prints the coordinates, so every point needs its source.
        if trace["points"] and len(entries) != trace["points"]:
            return [], [f"{where}: hovers show coordinates without customdata for every point"]
        points = [FigurePoint("", found, where) for found in entries]
    return points, []


def unexplained_digits(point: FigurePoint) -> str | None:
    """What remains of a point's text when everything its entries explain is taken out, if a digit remains."""
    rest = TAG.sub(" ", point.text)
    names = [[str(entry["label"])] for entry in point.entries if "label" in entry]
    numbers = [displays(entry) for entry in point.entries if "source" in entry]
    ids = [[str(entry["id"])] for entry in point.entries if "id" in entry]
    for group in (names, numbers, ids):
        for forms in sorted(group, key=lambda found: len(found[0]), reverse=True):
            rest = _without(rest, forms)
    return f"{point.where}: {rest.strip()!r} of {point.text!r}" if has_digit(rest) else None


def _without(text: str, forms: list[str]) -> str:
    """The text less the first of the forms that stands in it, once: an entry explains one number."""
    for shown in forms:
        rest, found = re.subn(rf"(?<![\d.,]){re.escape(shown)}(?!\d)", " ", text, count=1)
        if found:
            return rest
    return text


def displays(sourced: Sourced) -> list[str]:
    """How a sourced number may stand on the page: formatted, or without the unit that its neighbour carries."""
    number = Number(
        value=float(sourced["value"]),
        quantity=sourced["quantity"],
        statistic=sourced["statistic"],
        metric=sourced.get("metric") or None,
    )
    formatted = format_number(number)
    return [formatted, f"≈\u202f{formatted}", re.sub(r"\D+$", "", formatted)]


def has_digit(text: str) -> bool:
    return any(character.isdecimal() for character in text)


def _flat(nested: Any) -> list[Any]:
    """A matrix or list of texts, or one text, as a list."""
    if not isinstance(nested, list):
        return [nested]
    return [leaf for item in nested for leaf in (item if isinstance(item, list) else [item])]


def _per_point(customdata: Any) -> list[list[Sourced]]:
    """One list of entries per point, from a dict, a list of dicts or (heatmap) a row of such lists per row."""
    if customdata is None:
        return []
    points: list[list[Sourced]] = []
    for item in customdata:
        if isinstance(item, dict):
            points.append([item])
        elif any(isinstance(inner, list) for inner in item):
            points += [list(inner) for inner in item]
        else:
            points.append([inner for inner in item if isinstance(inner, dict)])
    return points
