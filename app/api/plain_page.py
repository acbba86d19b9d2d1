"""Pages without scripts, for whoever is not known yet: a title, a refusal if there was one, and a form."""

from html import escape
from string import Template

from fastapi.responses import HTMLResponse

from app.colours import DARK, LIGHT, Palette
from app.errors import AtlasError
from app.language import language

COLOURS = ("page", "surface", "line", "strong", "ink", "ink_2", "accent", "button", "bad", "bad_soft")


def plain_page(
    title: str, body: str, refusal: AtlasError | None = None, status: int | None = None, *, beside: str = ""
) -> HTMLResponse:
    """The page. body, beside: HTML that is safe already; beside stands under the form."""
    told = f'<p class="door-refusal" role="alert">{escape(refusal.detail)}</p>' if refusal else ""
    html = PAGE.substitute(
        language=language(),
        title=escape(title),
        light=_variables(LIGHT),
        dark=_variables(DARK),
        told=told,
        body=body + beside,
    )
    return HTMLResponse(html, status or (refusal.status if refusal else 200), headers={"cache-control": "no-store"})


def form(action: str, fields: str, words: str) -> str:
    """A form that is sent to a path of this server by one button."""
    return f'<form method="post" action="{escape(action)}">{fields}<button>{escape(words)}</button></form>'


def asked(name: str, label: str, attributes: str, sent_as: str | None = None) -> str:
    """A labelled field that must be filled in. sent_as: what it is called where a page has two of a name."""
    labelled = f'<label for="{name}">{escape(label)}</label>'
    return f'{labelled}<input id="{name}" name="{sent_as or name}" {attributes} required>'


def new_password(label: str, hint: str) -> str:
    """The field for a password that is chosen now."""
    described = 'type="password" autocomplete="new-password" minlength="12" aria-describedby="hint"'
    return asked("password", label, described) + f'<p id="hint" class="door-hint">{escape(hint)}</p>'


def carried(name: str, value: str) -> str:
    """What goes along unseen."""
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def way_on(address: str, words: str) -> str:
    """A link that stands as a button."""
    return f'<a class="door-link" href="{escape(address)}">{escape(words)}</a>'


def paragraph(words: str) -> str:
    """Words."""
    return f"<p>{escape(words)}</p>"


def _variables(palette: Palette) -> str:
    return "".join(f"--{name.replace('_', '-')}:{getattr(palette, name)};" for name in COLOURS)


PAGE = Template("""<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · PEFT Atlas</title>
<link rel="icon" href="/assets/favicon.svg">
<style>:root{color-scheme:light dark;$light}@media (prefers-color-scheme:dark){:root{$dark}}</style>
<link rel="stylesheet" href="/assets/door.css">
</head>
<body class="door">
<main>
<h1>PEFT Atlas</h1>
<h2>$title</h2>
$told
$body
</main>
</body>
</html>
""")
