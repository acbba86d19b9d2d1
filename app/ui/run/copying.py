"""A button that copies the text of an element, as the browser has it."""

from dash import Input, Output, clientside_callback, dcc, html

from app.language import tr

LISTEN = """(id) => {
    if (window.copyingIsListenedTo) return true;
    window.copyingIsListenedTo = true;
    document.addEventListener('click', async (event) => {
        const button = event.target.closest('[data-copies]');
        if (!button) return;
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).innerText);
        const before = button.textContent;
        button.textContent = button.dataset.copied;
        setTimeout(() => { button.textContent = before; }, 1500);
    });
    return true;
}"""
"""One listener for all buttons of the page, for the texts come and go."""


def copy_button(element: str) -> html.Button:
    """Copies what stands in the element with this id, and says so for a moment."""
    return html.Button(
        tr("Copy"),
        className="button button-plain",
        type="button",
        **{"data-copies": element, "data-copied": tr("Copied"), "aria-live": "polite"},
    )


def listening() -> dcc.Store:
    """Whether the buttons are listened to."""
    return dcc.Store(id="run-copying")


def register() -> None:
    """Have the browser listen. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(LISTEN, Output("run-copying", "data"), Input("run-copying", "id"))
