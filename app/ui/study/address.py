"""What a person has chosen on a page, kept in its address: a link to it shows the same."""

from dash import Input, Output, clientside_callback

# Without a navigation, which would mount the page anew under the person's hand. The parameters of others stay.
WRITE = """function(own) {
    if (own && window.location.pathname.startsWith('/studies/')) {
        const address = new URL(window.location.href);
        for (const [name, value] of Object.entries(own)) {
            if (value === null) address.searchParams.delete(name); else address.searchParams.set(name, value);
        }
        window.history.replaceState(null, '', address);
    }
    return window.dash_clientside.no_update;
}"""


def keep_in_address(store: str) -> None:
    """The store's data, {parameter: value or null}, is written into the address whenever it changes."""
    clientside_callback(WRITE, Output(store, "id"), Input(store, "data"), prevent_initial_call=True)
