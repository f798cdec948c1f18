"""The one address of the compared app."""

from django.urls import path

from tests.benchmarks.idiomatic.views import EventView

urlpatterns = [path("api/v1/events", EventView.as_view())]
