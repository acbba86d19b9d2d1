"""The selection guide's questions as a tree: every branch a button, every leaf with what the evidence picks there."""

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from app.language import filled, tr
from app.schemas import LeafView, SelectionGuide
from app.ui.numbers import show
from app.ui.recommend.answer import either
from app.ui.recommend.guide_case import reached
from app.ui.recommend.verdicts import SHORT
from app.ui.study.parts import named


def guide_tree(guide: SelectionGuide, answers: Mapping[str, bool]) -> html.Section:
    """The whole tree; the branches that were answered are pressed."""
    taken = set(reached(guide, answers)[0])
    again = html.Button(
        tr("Start again"), id={"type": "guide-again", "part": "tree"}, type="button", className="button-quiet"
    )
    return html.Section(
        [
            html.Div([html.H2(tr("Your answers")), again], className="panel-head"),
            html.P(tr("Answer yes or no, or choose a leaf at once."), className="study-note"),
            _Tree(guide, taken).question(guide.root),
        ],
        className="panel guide-tree",
        **{"data-region": "evidence"},
    )


class _Tree:
    def __init__(self, guide: SelectionGuide, taken: set[str]) -> None:
        self._questions = {question.key: question for question in guide.questions}
        self._leaves = {leaf.key: leaf for leaf in guide.leaves}
        self._taken = taken

    def question(self, key: str) -> html.Div:
        """A question with its two branches and all that follows from them."""
        asked = self._questions[key]
        branches = [self._branch(tr("Yes"), asked.yes), self._branch(tr("No"), asked.no)]
        text = html.P(asked.text, className="guide-question")
        listed = html.Ul(branches, className="guide-branches", **{"aria-label": asked.text})
        return html.Div([text, listed], className="guide-node")

    def _branch(self, said: str, goal: str) -> html.Li:
        leaf = self._leaves.get(goal)
        button = html.Button(
            [html.Span(said, className="guide-said"), *(_outcome(leaf) if leaf else [])],
            id={"type": "guide-branch", "goal": goal},
            type="button",
            className="guide-branch" + (" guide-branch-leaf" if leaf else ""),
            **{"aria-pressed": "true" if goal in self._taken else "false"},
        )
        return html.Li([button] if leaf else [button, self.question(goal)])


def _outcome(leaf: LeafView) -> list[Component]:
    if leaf.title is None or leaf.family is None or leaf.p_best is None:
        return [html.Span(tr("not enough evidence"), className="quiet")]
    verdict = html.Span(
        filled("{verdict}, {share}", verdict=tr(SHORT[leaf.verdict]), share=show(leaf.p_best)), className="quiet"
    )
    return [html.Span(leaf_names(leaf)), verdict]


def leaf_names(leaf: LeafView) -> list[Any]:
    """What a leaf picks: one method, or the two of "no clear winner"."""
    if leaf.title is None or leaf.family is None:
        return []
    first = named(leaf.title, leaf.family)
    if leaf.verdict != "no clear winner" or leaf.runner_up is None:
        return [first]
    return either([first, named(leaf.runner_up.title, leaf.runner_up.family)])
