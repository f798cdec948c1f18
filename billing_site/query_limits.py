"""A limit on the parameters of an address, apart from that on the fields of a form.

A form of ours may have thousands of fields, a question asked in an address never has.
"""

from collections.abc import Callable

from django.core.exceptions import TooManyFieldsSent
from django.http import HttpRequest, HttpResponse

PARAMETERS_MAX = 1_000


def limited_queries(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse, as a bad request, an address with more than PARAMETERS_MAX parameters."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.META.get("QUERY_STRING", "").count("&") >= PARAMETERS_MAX:
            raise TooManyFieldsSent(f"more than {PARAMETERS_MAX} parameters")
        return get_response(request)

    return answer
