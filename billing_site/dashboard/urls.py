"""URLs of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from billing_site.dashboard import proof_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("customers/<uuid:customer_id>/", views.customer, name="customer"),
    path("o/<slug:organization>/customers/", views.customers, name="customer-list"),
    path("o/<slug:organization>/proof/", proof_views.proof, name="proof"),
    path("o/<slug:organization>/proof/check/", proof_views.check_now, name="proof-check"),
    path(
        "o/<slug:organization>/proof/parked/<uuid:parking_id>/let-go/",
        proof_views.let_go,
        name="proof-let-go",
    ),
]
