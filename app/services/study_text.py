"""A study document as YAML that a person writes, and back: every refusal names its line and its field."""

import io
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    TagToken,
)

from app.errors import Invalid
from app.schemas import StudyDocument

DEEPEST = 20
"""Of lists and mappings inside each other; a study document has five."""
OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
CLOSING = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken)


def as_text(document: StudyDocument) -> str:
    """The document as YAML: what is not chosen is left out."""
    yaml = YAML()
    yaml.width = 120
    yaml.allow_unicode = True
    text = io.StringIO()
    yaml.dump(document.model_dump(mode="json", exclude_none=True, exclude={"results"}), text)
    return text.getvalue()


def read_text(text: str) -> StudyDocument:
    """The document of a YAML text. Raises Invalid with line and field of the first thing that is wrong."""
    node, fields = _read_yaml(text)
    if not isinstance(node, MappingNode):
        raise Invalid("Line 1: this is no study document. It begins with a name, as `name: My study`.", field="yaml")
    try:
        return StudyDocument.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
        field = ".".join(map(str, place))
        line = _line_of(node, place)
        raise Invalid(f"Line {line}, {field or 'document'}: {_reason(first)}.", field=field or "yaml") from None


def _read_yaml(text: str) -> tuple[Node | None, Any]:
    """The text's nodes, which know their lines, and its plain data."""
    try:
        _refuse_unfolding(text)
        return _yaml().compose(text), _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Invalid(f"{where}{error.problem or 'this is no YAML'}.", field="yaml") from None
    except (YAMLError, ValueError, RecursionError):
        raise Invalid("This cannot be read as YAML. Save it as plain UTF-8 text.", field="yaml") from None


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _refuse_unfolding(text: str) -> None:
    """Anchors and aliases let a few lines unfold to any size, and tags name types that no document has."""
    depth = 0
    for token in _yaml().scan(text):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        line = token.start_mark.line + 1
        if depth > DEEPEST:
            raise Invalid(f"Line {line}: nested too deeply.", field="yaml")
        if isinstance(token, AliasToken | AnchorToken | TagToken):
            raise Invalid(f"Line {line}: anchors, aliases and tags are not read. Write the values out.", field="yaml")


def _line_of(node: Node, place: list[Any]) -> int:
    """The line where a field stands; of one that is missing, where the mapping begins that should hold it."""
    for part in place:
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            key, node = found
            if not isinstance(node, MappingNode | SequenceNode):
                return int(key.start_mark.line) + 1
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        else:
            break
    return int(node.start_mark.line) + 1


def _reason(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "there is no such field; remove it"
    message = str(found["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
