"""What a person has chosen in a page's controls, kept in its address: a link to it, or a reload, shows the same."""

import json
from collections.abc import Mapping

from dash import Input, Output, clientside_callback


def keep_choices(store: str, path: str, controls: Mapping[str, str], usual: Mapping[str, str]) -> None:
    """The values of `controls`, {parameter: component id}, go into the store and the address of the page at `path`.

    Without a navigation, which would mount the page anew under the person's hand. A `usual` value is left out of the
    address, and so is the place in a list, `cursor`, for another choice is another list.
    """
    names = json.dumps(list(controls))
    write = f"""function(...values) {{
        const names = {names}, usual = {json.dumps(dict(usual))}, chosen = {{}};
        const address = new URL(window.location.href);
        if (address.pathname !== '{path}') return window.dash_clientside.no_update;
        address.searchParams.delete('cursor');
        names.forEach((name, place) => {{
            const value = chosen[name] = values[place] || '';
            if (value === (usual[name] || '')) address.searchParams.delete(name);
            else address.searchParams.set(name, value);
        }});
        window.history.replaceState(null, '', address);
        return chosen;
    }}"""
    inputs = [Input(component, "value") for component in controls.values()]
    clientside_callback(write, Output(store, "data"), *inputs, prevent_initial_call=True)
