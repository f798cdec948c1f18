"""URLs of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from billing_site.dashboard import event_pages, limit_pages, proof_views, statement_page, views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("customers/<uuid:customer_id>/", views.customer, name="customer"),
    path(
        "customers/<uuid:customer_id>/statement/",
        statement_page.statement,
        name="customer-statement",
    ),
    path("customers/<uuid:customer_id>/events/", event_pages.event_list, name="customer-events"),
    path(
        "customers/<uuid:customer_id>/events/<uuid:key>/", event_pages.event, name="customer-event"
    ),
    path("customers/<uuid:customer_id>/limits/", limit_pages.limits, name="customer-limits"),
    path(
        "customers/<uuid:customer_id>/limits/<uuid:cap_id>/lift/",
        limit_pages.lift,
        name="customer-limit-lift",
    ),
    path("customers/<uuid:customer_id>/stop/", limit_pages.stop, name="customer-stop"),
    path("customers/<uuid:customer_id>/resume/", limit_pages.resume, name="customer-resume"),
    path("o/<slug:organization>/customers/", views.customers, name="customer-list"),
    path("o/<slug:organization>/proof/", proof_views.proof, name="proof"),
    path("o/<slug:organization>/proof/check/", proof_views.check_now, name="proof-check"),
    path(
        "o/<slug:organization>/proof/parked/<uuid:parking_id>/let-go/",
        proof_views.let_go,
        name="proof-let-go",
    ),
]
