"""Parts that never change are sent as trees of plain HTML."""

import json

import dash_mantine_components as dmc
import pytest
from dash import dcc, html

from app.ui.still import still, still_inside, trees


def test_a_part_keeps_its_tags_attributes_and_text() -> None:
    part = html.Section(
        [
            html.Label("Rank", htmlFor="rank", className="label", hidden=True),
            html.Td(
                8,
                colSpan=2,
                tabIndex=0,
                style={"backgroundColor": "red", "width": "8%"},
                **{"data-source": "formula:x"},
            ),
            None,
            dcc.Link("a study", href="/studies/1"),
        ],
        id="part",
    )
    (tree,) = json.loads(vars(still(part))["data-still"])
    assert tree == {
        "tag": "section",
        "attributes": {"id": "part"},
        "children": [
            {"tag": "label", "attributes": {"for": "rank", "class": "label", "hidden": ""}, "children": ["Rank"]},
            {
                "tag": "td",
                "attributes": {
                    "colspan": "2",
                    "tabindex": "0",
                    "style": "background-color:red;width:8%",
                    "data-source": "formula:x",
                },
                "children": ["8"],
            },
            {"tag": "a", "attributes": {"href": "/studies/1"}, "children": ["a study"]},
        ],
    }


def test_what_a_callback_would_have_to_draw_is_refused() -> None:
    with pytest.raises(TypeError, match="no plain HTML"):
        trees(html.Div(dmc.Slider()))


def test_an_element_keeps_itself_and_sends_what_is_in_it() -> None:
    part = still_inside(html.P(["three ", html.B("words")], id="said", className="quiet"))
    assert (part.id, part.className, getattr(part, "children", None)) == ("said", "quiet", None)
    assert json.loads(vars(part)["data-still"]) == ["three ", {"tag": "b", "attributes": {}, "children": ["words"]}]
