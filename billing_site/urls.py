"""All addresses of the site."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.utils.csp import CSP
from django.views import defaults
from django.views.decorators.csp import csp_override
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts import problems
from billing_site import health

# Swagger UI, served from our own origin, writes style attributes as it draws.
_DOCS_CSP: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "connect-src": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}


@csrf_exempt  # Nothing here that a forged request could reach.
def _unknown(request: HttpRequest) -> HttpResponse:
    raise Http404


urlpatterns = [
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("billing_site.api")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/docs/",
        csp_override(_DOCS_CSP)(SpectacularSwaggerSplitView.as_view(url_name="schema")),
        name="docs",
    ),
    re_path(r"^api/", _unknown),
    path("", include("billing_site.dashboard.urls")),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what cannot be a request of ours: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problems.bad_request(request, exception)
    return defaults.bad_request(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown address: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problems.not_found(request, exception)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer a bug: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        return problems.server_error(request)
    return defaults.server_error(request)
