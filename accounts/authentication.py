"""Who calls the API: a bearer key, and what the key allows."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import api_keys, key_cache
from accounts.models import ApiKey, Organization

SCHEME = "Bearer"


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer dd_live_…`

    `may_be_remembered` is for doors that are asked often: there a key is taken for live as it was
    at most `key_cache.KEY_SECONDS` ago.
    """

    def __init__(self, *, may_be_remembered: bool = False) -> None:
        self._find = key_cache.find if may_be_remembered else api_keys.find_live

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        """Return the key, or None when there is no Authorization header of our scheme."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        key = self._find(secret.strip())
        if key is None:
            raise AuthenticationFailed("The API key is unknown or was revoked.")
        return None, key

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return f'{SCHEME} realm="drawdown"'


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes the key."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "dd_live_…"}


class HasScope(BasePermission):
    """Allows a key that carries the scope the method needs; `admin` carries all."""

    scopes: dict[str, str] = {}
    message = "The API key does not carry the scope this needs."

    @classmethod
    def of(cls, **scopes: str) -> type["HasScope"]:
        """Return a permission for a view, for example `HasScope.of(GET="read")`."""
        return type("HasScopeOf", (cls,), {"scopes": scopes})

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the request's key allows its method."""
        method = "GET" if request.method in {"HEAD", "OPTIONS"} else str(request.method)
        if not isinstance(request.auth, ApiKey):
            return False
        if not hasattr(view, method.lower()):
            return True  # Any key may learn, by a 405, that the view has no such method.
        return method in self.scopes and request.auth.allows(self.scopes[method])


def organization_of(request: Request) -> Organization:
    """Return the tenant whose key signed the request."""
    key = request.auth
    assert isinstance(key, ApiKey), "HasScope lets no request pass without a key"  # noqa: S101
    return key.organization
