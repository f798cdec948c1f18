"""Who sends."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tests.benchmarks.idiomatic.models import ApiKey


class Sender:
    """Whoever has a key."""

    is_authenticated = True


class KeyAuthentication(BaseAuthentication):
    """A key in the header, looked up by its unique index."""

    def authenticate(self, request: Request) -> tuple[Sender, str]:
        """Return who sends."""
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not ApiKey.objects.filter(key=key).exists():
            raise AuthenticationFailed
        return Sender(), key
