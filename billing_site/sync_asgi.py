"""Django behind ASGI, each request whole in one thread.

Django's own handler runs those middlewares that can in the event loop and the others in a thread,
and hops between the two. All of ours and every view are synchronous, so the hops serve nobody; and
a thread that waits for the loop when a client has left waits for good, and keeps its process from
ending.
"""

from typing import Any, override

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest


class ThreadedHandler(ASGIHandler):
    """An ASGI application that answers as WSGI does, in a thread beside the loop."""

    @override
    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    @override
    async def get_response_async(self, request: HttpRequest) -> Any:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)
