"""The settings beside the guide: a base model, the sliders, a device and what an hour of it costs."""

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from app.language import tr
from app.schemas import BaseModelCard, PublishedModelCard
from app.ui.guide.settings import CONFIG, PUBLISHED, SIZES, SLIDERS, Settings, Slider

OF_THE_MODEL = ("width", "layers")


def controls(
    settings: Settings, published: Sequence[PublishedModelCard], registered: Sequence[BaseModelCard]
) -> html.Details:
    """All settings in one place that can be folded away."""
    return html.Details(
        [
            html.Summary(html.H2(tr("Your case"))),
            html.Div(
                [
                    _model(settings, published, registered),
                    _config(settings),
                    html.Div(id="chapter-problem", role="status", className="chapter-problem"),
                    html.Div([_slider(settings, slider) for slider in SLIDERS], className="chapter-sliders"),
                    _device(settings),
                    _price(),
                ],
                className="chapter-fields",
            ),
        ],
        open=True,
        className="panel chapter-controls",
    )


def _model(
    settings: Settings, published: Sequence[PublishedModelCard], registered: Sequence[BaseModelCard]
) -> dmc.Select:
    named = [{"value": PUBLISHED + card.key, "label": card.title} for card in published]
    here = [{"value": card.name, "label": card.name} for card in registered]
    own = [{"value": SIZES, "label": tr("Sizes of my own (d, L)")}, {"value": CONFIG, "label": tr("A config.json")}]
    known = {entry["value"] for entry in [*named, *here, *own]}
    return dmc.Select(
        id="chapter-model",
        label=tr("Base model"),
        data=[
            {"group": tr("Sizes that papers print"), "items": named},
            {"group": tr("Base models at hand"), "items": here},
            {"group": tr("Of my own"), "items": own},
        ],
        value=settings.model if settings.model in known else Settings().model,
        allowDeselect=False,
        size="xs",
        comboboxProps={"withinPortal": False},
    )


def _config(settings: Settings) -> dmc.Textarea:
    return dmc.Textarea(
        id="chapter-config",
        label=tr("config.json of a model"),
        value=settings.config,
        placeholder='{"model_type": "llama", "hidden_size": 4096, …}',
        autosize=True,
        minRows=3,
        maxRows=8,
        debounce=400,
        size="xs",
        style={"display": "block" if settings.model == CONFIG else "none"},
    )


def _slider(settings: Settings, slider: Slider) -> html.Div:
    title, value = tr(slider.title), getattr(settings, slider.name)
    shown = html.Span(f"{value:,}", id={"type": "chapter-value", "name": slider.name}, className="chapter-value")
    given: dict[str, Any] = {"scale": {"function": "powerOfTwo"}} if slider.power else {}
    return html.Div(
        [
            html.Div([html.Span(title), shown], className="chapter-slider-head"),
            dmc.Slider(
                id={"type": "chapter-slider", "name": slider.name},
                min=slider.low,
                max=slider.high,
                step=slider.step,
                value=slider.place(value),
                thumbLabel=title,
                label=None,
                updatemode="drag",
                size="sm",
                thumbSize=18,
                **given,
            ),
        ],
        id={"type": "chapter-field", "name": slider.name},
        className="chapter-slider",
        style=own_sizes(settings) if slider.name in OF_THE_MODEL else None,
    )


def own_sizes(settings: Settings) -> dict[str, str]:
    """The sliders of a model's own sizes are there where no model has them already."""
    return {"display": "block" if settings.model == SIZES else "none"}


def _device(settings: Settings) -> html.Div:
    choice = dmc.SegmentedControl(
        id="chapter-device",
        data=[{"value": "cuda", "label": "CUDA"}, {"value": "cpu", "label": "CPU"}],
        value=settings.device,
        size="xs",
        fullWidth=True,
        attributes={"root": {"aria-label": tr("Device")}},
    )
    return html.Div([html.Span(tr("Device"), className="chapter-field-title"), choice])


def _price() -> dmc.NumberInput:
    return dmc.NumberInput(
        id="chapter-price",
        label=tr("Price of a device-hour"),
        description=tr("Optional, in any currency; kept in this browser. Costs then stand beside times."),
        min=0,
        step=0.1,
        size="xs",
        debounce=400,
        inputWrapperOrder=["label", "input", "description"],
    )


def stores(settings: Settings) -> list[dcc.Store]:
    """What the browser keeps while the page is open."""
    powers = {slider.name: slider.power for slider in SLIDERS}
    return [
        dcc.Store(id="chapter-settings", data=settings.data()),
        dcc.Store(id="chapter-powers", data=powers),
        dcc.Store(id="chapter-address"),
    ]
