"""A figure as a file: what is on screen, drawn by the browser itself, as PNG or SVG."""

from dash import Input, Output, clientside_callback, dcc, html

from app.language import tr

FORMATS = {"png": "PNG", "svg": "SVG"}
LISTEN = """(id) => {
    document.addEventListener('click', (event) => {
        const button = event.target.closest('[data-save]');
        if (!button) return;
        const {save: format, graph, file: filename} = button.dataset;
        const drawn = document.getElementById(graph).querySelector('.js-plotly-plot');
        const {width, height} = drawn._fullLayout;
        // On the page a figure has no ground of its own; in a file it stands on that of the panel.
        const ground = getComputedStyle(document.documentElement).getPropertyValue('--surface').trim();
        const layout = {...drawn.layout, width, height, autosize: false, paper_bgcolor: ground};
        const scale = format === 'png' ? 2 : 1;
        const figure = {data: drawn.data, layout, config: {staticPlot: true}};
        Plotly.downloadImage(figure, {format, filename, width, height, scale});
    });
    return true;
}"""
"""One listener for the buttons of every page, for figures come and go."""


def save_buttons(graph: str, file: str) -> html.Div:
    """Buttons that save the figure with the element id `graph` under the name `file`, as either format."""
    buttons = [
        html.Button(
            words,
            className="button button-plain",
            type="button",
            **{
                "aria-label": tr("Save this figure as {format}", format=words),
                "data-save": format,
                "data-graph": graph,
                "data-file": file,
            },
        )
        for format, words in FORMATS.items()
    ]
    return html.Div(buttons, className="figure-files")


def listening() -> dcc.Store:
    """Whether the buttons are listened to."""
    return dcc.Store(id="figure-files")


def register() -> None:
    """Have the browser listen to the buttons from the first page on."""
    clientside_callback(LISTEN, Output("figure-files", "data"), Input("figure-files", "id"))
