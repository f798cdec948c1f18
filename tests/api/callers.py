"""A caller of the API, who reads numbers exactly and holds every answer against the schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from accounts import api_keys, exact_json
from accounts.models import Organization, Scope
from tests.api import contract

ROOT = "/api/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer; `json` is None when it has no body, its numbers are int or Decimal."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    json: Any

    def problem(self, status: int, kind: str = "") -> dict[str, Any]:
        """Return the problem it is, having checked that it is one, with this status."""
        assert self.status == status, (self.status, self.json)
        assert self.headers["Content-Type"] == contract.PROBLEM
        problem: dict[str, Any] = self.json
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"]
        assert problem["type"] == f"/problems/{kind}" if kind else problem["type"]
        return problem

    def wrong_fields(self, status: int = 422) -> list[str]:
        """Return the names of the fields a problem complains about."""
        return [error["field"] for error in self.problem(status)["errors"]]


class Caller:
    """Somebody with a key, or without one."""

    def __init__(self, secret: str = "") -> None:
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        # Forged requests are the API's business like any other: no check is switched off.
        self._client = Client(enforce_csrf_checks=True)

    def get(self, path: str, **query: object) -> Answer:
        """Ask for a page; `path` is relative to the API, or a link out of an answer."""
        return self.send("GET", path, query=query)

    def post(self, path: str, body: object, *, content_type: str = "application/json") -> Answer:
        """Send JSON."""
        return self.send("POST", path, exact_json.encode(body), content_type=content_type)

    def patch(self, path: str, body: object) -> Answer:
        """Send JSON."""
        return self.send("PATCH", path, exact_json.encode(body))

    def put(self, path: str, body: object) -> Answer:
        """Send JSON."""
        return self.send("PUT", path, exact_json.encode(body))

    def send(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        *,
        content_type: str = "application/json",
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send anything."""
        path = path if path.startswith(("/", "http")) else ROOT + path
        response = self._client.generic(
            method,
            path,
            content,
            content_type=content_type,
            query_params={name: str(value) for name, value in (query or {}).items()} or None,
            headers={**self.headers, **(headers or {})},
        )
        answer = Answer(
            status=response.status_code,
            headers=response.headers,
            content=response.content,
            json=_parsed(response.content, response.headers.get("Content-Type", "")),
        )
        if method not in {"HEAD", "OPTIONS"}:
            _hold_against_the_schema(method, urlsplit(path).path, answer)
        return answer


def caller_of(organization: Organization, *scopes: Scope) -> Caller:
    """Return somebody with a new key of the organization, allowed everything unless told."""
    _, secret = api_keys.issue(organization=organization, name="test", scopes=scopes or ["admin"])
    return Caller(secret)


def _parsed(content: bytes, content_type: str) -> Any:
    if not content or "json" not in content_type:
        return None
    return json.loads(content, parse_float=Decimal)


def _hold_against_the_schema(method: str, path: str, answer: Answer) -> None:
    if answer.status == HTTPStatus.MOVED_PERMANENTLY:
        return
    found = contract.violations(
        method=method,
        path=path,
        status=answer.status,
        content_type=answer.headers.get("Content-Type", ""),
        answer=answer.json,
    )
    assert not found, f"{found} in {method} {path} {answer.status} {answer.json}"
