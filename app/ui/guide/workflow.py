"""The chapter's workflow of seven steps, each with the place in the product where it is done; best practice."""

from dash import html

from app.language import mark, tr
from app.ui.guide.frame import section, words

STEPS: tuple[tuple[str, str, str, str], ...] = (
    (
        mark("Task analysis"),
        mark("What is asked, how it is scored, how many items there are: pick a task, or upload a dataset."),
        "/studies/new",
        mark("New study"),
    ),
    (
        mark("Method selection"),
        mark("Few methods that differ, and the three reference rows: untuned, head only, full fine-tuning."),
        "/recommend?view=guide",
        mark("Selection guide"),
    ),
    (
        mark("Hyper-parameters"),
        mark("Recommended values first; a grid of learning rates for every method, of the same size."),
        "#hyperparameters",
        mark("Hyper-parameter guide"),
    ),
    (
        mark("Model preparation"),
        mark("A base model whose licence, size and language fit; a base in four bits where memory is short."),
        "/recommend?view=lookup",
        mark("Does it fit? Look it up"),
    ),
    (
        mark("Training"),
        mark("Several seeds, the same budget for all. Watch the loss and the gradient norm while it runs."),
        "/runs",
        mark("Queue"),
    ),
    (
        mark("Evaluation"),
        mark("Against the reference rows, item by item: a tie is a tie. The test split is read once, at the end."),
        "/studies",
        mark("Studies"),
    ),
    (
        mark("Deployment"),
        mark("Merge where one task is served; keep adapters apart where many share a base. Then watch latency."),
        "/recommend",
        mark("Recommend"),
    ),
)
"""Title, what it asks for, where it is done."""
PRACTICE = (
    mark("Give each method a learning rate of its own: one for all favours whichever it suits."),
    mark("Give every method the same number of tries, and choose on validation alone."),
    mark("Report means over seeds with intervals; a difference within them is none."),
    mark("Name what a figure leaves out: a failed run, a missing metric, a grid that was too narrow."),
    mark("Measure costs alone on the device, after a warm-up, at the chosen setting."),
    mark("Estimate before launching, and compare with the measurement afterwards."),
)


def workflow() -> html.Section:
    """The steps as an ordered list, best practice below."""
    steps = [
        html.Li([html.H3(tr(title)), html.P(tr(text)), html.A(tr(link), href=address)])
        for title, text, address, link in STEPS
    ]
    return section(
        "workflow",
        words(tr("The form of a new study follows these steps; each can be done from here.")),
        html.Ol(steps, className="chapter-steps"),
        html.H3(tr("Best practice")),
        html.Ul([html.Li(tr(text)) for text in PRACTICE], className="chapter-practice"),
    )
