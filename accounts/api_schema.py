"""How the OpenAPI schema tells of problems: any operation may answer with one, of one shape."""

from collections.abc import Iterator
from typing import Any

from accounts.problems import CONTENT_TYPE

_FIELD_ERROR = {
    "type": "object",
    "required": ["field", "reason"],
    "properties": {
        "field": {"type": "string", "example": "customer"},
        "reason": {"type": "string", "example": "is required, as a text"},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it. Some kinds have members of their own.",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "description": "A stable name.", "example": "/problems/invalid"},
        "title": {"type": "string", "example": "Invalid"},
        "status": {"type": "integer", "example": 422},
        "detail": {"type": "string", "example": "The event is not valid."},
        "errors": {"type": "array", "items": _FIELD_ERROR},
    },
    "additionalProperties": True,
}
_CONTENT = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def document_problems(
    result: dict[str, Any], generator: Any, request: Any, public: Any
) -> dict[str, Any]:
    """Give every refusal of every operation the shape of a problem; a hook of drf-spectacular."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for operation in _operations(result):
        for status, response in operation["responses"].items():
            if status >= "400":
                response["content"] = _CONTENT
        operation["responses"]["default"] = {"description": "A problem.", "content": _CONTENT}
    return result


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path_item in schema["paths"].values():
        yield from (member for member in path_item.values() if "responses" in member)
