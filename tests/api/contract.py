"""The published schema, as a judge: whatever the API answers has to be what it promises."""

import functools
import re
from typing import Any

from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

PROBLEM = "application/problem+json"


@functools.cache
def schema() -> dict[str, Any]:
    """Return the published schema, read as JSON Schema.

    Undocumented members are refused, which the published one leaves open so that it can grow.
    """
    generated: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for each in generated["components"]["schemas"].values():
        if "properties" in each:
            each.setdefault("additionalProperties", False)
    read: dict[str, Any] = _with_null_as_a_type(generated)
    return read


def _with_null_as_a_type(node: Any) -> Any:
    """Translate the one word of OpenAPI 3.0 that JSON Schema does not know."""
    if isinstance(node, list):
        return [_with_null_as_a_type(each) for each in node]
    if not isinstance(node, dict):
        return node
    read = {name: _with_null_as_a_type(each) for name, each in node.items()}
    if read.pop("nullable", None) is True:
        return {"anyOf": [read, {"type": "null"}]}
    return read


def violations(
    *, method: str, path: str, status: int, content_type: str, answer: object
) -> list[str]:
    """Return how an answer differs from what the schema says of its operation."""
    operation = schema()["paths"].get(_template(path), {}).get(method.lower())
    if operation is None:
        return [] if status in {400, 404, 405, 406} else [f"{method} {path} is not in the schema"]
    responses = operation["responses"]
    response = responses.get(str(status)) or (responses["default"] if status >= 400 else None)
    if response is None:
        return [f"{method} {path} may not answer {status}"]
    if "content" not in response:
        return [] if answer is None else [f"{status} has no body"]
    if content_type not in response["content"]:
        return [f"{status} is not {content_type}"]
    return _mistakes(response["content"][content_type]["schema"], answer)


def _template(path: str) -> str:
    try:
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", resolve(path).route)
    except Resolver404:
        return ""


def _mistakes(shape: dict[str, Any], answer: object) -> list[str]:
    validator = Draft202012Validator(
        {**shape, "components": schema()["components"]},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]
