"""A figure as a file: what is on screen, drawn by the browser itself, as PNG or SVG."""

from dash import ALL, Input, Output, State, clientside_callback, dcc, html

FORMATS = {"png": "PNG", "svg": "SVG"}
SAVE = """async function(clicks, ids) {
    const pressed = dash_clientside.callback_context.triggered[0];
    if (!pressed || !pressed.value) return dash_clientside.no_update;
    const id = dash_clientside.callback_context.triggered_id;
    const drawn = document.getElementById(id.graph).querySelector('.js-plotly-plot');
    const {width, height} = drawn._fullLayout;
    // On the page a figure has no ground of its own; in a file it stands on that of the panel.
    const ground = getComputedStyle(document.documentElement).getPropertyValue('--surface').trim();
    const layout = {...drawn.layout, width, height, autosize: false, paper_bgcolor: ground};
    const scale = id.format === 'png' ? 2 : 1;
    await Plotly.downloadImage(
        {data: drawn.data, layout, config: {staticPlot: true}},
        {format: id.format, filename: id.file, width, height, scale}
    );
    return id.file + '.' + id.format;
}"""


def save_buttons(graph: str, file: str) -> html.Div:
    """Buttons that save the figure with the element id `graph` under the name `file`, as either format."""
    buttons = [
        html.Button(
            words,
            id={"type": "save-figure", "graph": graph, "file": file, "format": format},
            className="button button-plain",
            type="button",
            **{"aria-label": f"Save this figure as {words}"},
        )
        for format, words in FORMATS.items()
    ]
    return html.Div(buttons, className="figure-files")


def saved() -> dcc.Store:
    """What was saved last; one for all pages."""
    return dcc.Store(id="figure-saved")


def register() -> None:
    """Declare what the buttons of every page do."""
    pattern = {"type": "save-figure", "graph": ALL, "file": ALL, "format": ALL}
    clientside_callback(
        SAVE,
        Output("figure-saved", "data"),
        Input(pattern, "n_clicks"),
        State(pattern, "id"),
        prevent_initial_call=True,
    )
