"""The sentences of a diagnosis are whole messages of the catalogue."""

import ast
import inspect

from app.services.diagnoses import FACTS, message_of
from peft_core.analysis import diagnosis
from peft_core.analysis.diagnosis import Fact, Reading


def facts_of_the_source() -> set[str]:
    """Every fact that the rules can state: tuples that begin with words of a sentence."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(diagnosis))):
        if isinstance(node, ast.Tuple) and node.elts and isinstance(node.elts[0], ast.Constant):
            first = node.elts[0].value
            if isinstance(first, str) and first[:1].isupper():
                fact: Fact = tuple(
                    str(piece.value) if isinstance(piece, ast.Constant) else Reading("score", 0.0)
                    for piece in node.elts
                )
                found.add(message_of(fact))
    return found


def test_every_fact_of_the_rules_has_its_message_in_the_catalogue() -> None:
    assert facts_of_the_source() == set(FACTS)
