"""URLs of the pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from billing_site.dashboard import views

urlpatterns = [
    path("", views.home, name="home"),
    path("login/", views.SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("customers/<uuid:customer_id>/", views.customer, name="customer"),
    path("o/<slug:organization>/customers/", views.customers, name="customer-list"),
]
