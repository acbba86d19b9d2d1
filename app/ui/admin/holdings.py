"""The panels of base models and datasets: what a study can name, and what is missing or cannot be used."""

from typing import Any

from dash import dcc, html

from app.language import filled, tr
from app.schemas import BaseModelCard, DatasetView, NotInstalled, SystemView, TaskCard
from app.ui.elements import moment
from app.ui.numbers import by_formula, format_value, show


def models_panel(cards: list[BaseModelCard], system: SystemView) -> html.Section:
    """Registered ones and folders of one's own, those that nobody has fetched, and folders that are no model."""
    titles = (tr("Base model"), tr("Architecture"), tr("Size"), tr("Source"))
    rows = [
        [
            [html.B(card.title), html.Div(html.Code(card.path), className="quiet admin-path")],
            tr("{type}, {layers} layers of {width}", type=card.model_type, layers=card.layers, width=card.hidden_size),
            _parameters(card),
            [card.source, html.Div(card.licence or "", className="quiet")],
        ]
        for card in cards
    ]
    unusable = [html.Li([html.Code(one.folder), ": ", one.reason]) for one in system.unusable_models]
    broken = [html.H3(tr("Folders that are no base model")), html.Ul(unusable, className="plain-list")]
    own = tr("Put a folder with config.json and safetensors into models/ of the home folder, and studies can name it.")
    parts = [
        html.Div(html.H2(tr("Base models")), className="panel-head"),
        _table(titles, rows) if rows else html.P(tr("No base model is installed.")),
        *_missing(system.not_installed, "base model"),
        *(broken if unusable else []),
        html.P(own, className="quiet"),
    ]
    return html.Section(parts, className="panel", id="base-models")


def _parameters(card: BaseModelCard) -> list[Any]:
    number = by_formula(card.parameters, "count", f"parameters_of(base_model {card.name})", exact=True)
    return filled("{count} parameters", count=show(number))


def datasets_panel(tasks: list[TaskCard], uploaded: list[DatasetView], system: SystemView) -> html.Section:
    """Registered tasks and uploaded files."""
    titles = (tr("Task"), tr("Kind"), tr("Items"), tr("Source"))
    rows = [[html.B(task.title), task.kind.replace("_", " "), _splits(task), _from(task)] for task in tasks]
    head = html.Div(
        [
            html.H2(tr("Datasets")),
            dcc.Link(tr("Upload in a new study"), href="/studies/new", className="button button-plain"),
        ],
        className="panel-head",
    )
    parts = [
        head,
        _table(titles, rows) if rows else html.P(tr("No task is installed.")),
        *_missing(system.not_installed, "task"),
        html.H3(tr("Uploaded")),
        _uploaded(uploaded),
    ]
    return html.Section(parts, className="panel", id="datasets")


def _splits(task: TaskCard) -> list[Any]:
    return filled(
        "{train} train, {validation} validation, {test} test",
        train=_items(task, "train", task.splits.train),
        validation=_items(task, "validation", task.splits.validation),
        test=_items(task, "test", task.splits.test),
    )


def _items(task: TaskCard, split: str, count: int) -> html.Span:
    return show(by_formula(count, "count", f"items(task {task.name}, split {split})", exact=True))


def _from(task: TaskCard) -> list[Any]:
    return [task.source, html.Div(task.licence, className="quiet")]


def _uploaded(uploaded: list[DatasetView]) -> Any:
    if not uploaded:
        return html.P(tr("Nobody has uploaded a dataset yet."), className="quiet")
    titles = (tr("File"), tr("Rows"), tr("Size"), tr("Uploaded by"))
    rows = [
        [
            [html.B(one.name), html.Div(", ".join(one.columns), className="quiet admin-path")],
            filled("{count} rows", count=show(by_formula(one.rows, "count", f"rows(dataset {one.id})", exact=True))),
            show(by_formula(one.bytes, "bytes", f"bytes(dataset {one.id})", exact=True)),
            [one.created_by, html.Div(moment(one.created_at), className="quiet")],
        ]
        for one in uploaded
    ]
    return _table(titles, rows)


def _missing(not_installed: list[NotInstalled], kind: str) -> list[Any]:
    """What could be there, with the command that fetches it."""
    wanted = [one for one in not_installed if one.kind == kind]
    items = [
        html.Li(
            [one.title, " · ", format_value(one.download_bytes, "bytes"), " · ", html.Code(one.command)],
        )
        for one in wanted
    ]
    return [html.H3(tr("Not installed")), html.Ul(items, className="plain-list")] if items else []


def _table(titles: tuple[str, ...], rows: list[list[Any]]) -> html.Div:
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in titles]))
    body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
    return html.Div(html.Table([head, body], className="plain stacks"), className="table-scroll", tabIndex="0")
