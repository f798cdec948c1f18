"""The API's addresses, under /api/v1/."""

from django.urls import path

from accounts import api as accounts_api
from invoicing import api as invoicing_api
from metering.api import alerts as alerts_api
from metering.api import caps as caps_api
from metering.api import events as events_api
from pricing import api as pricing_api

app_name = "api"

urlpatterns = [
    path("events", events_api.events, name="events"),
    path("events/<path:external_id>", events_api.event_detail, name="event"),
    path("customers", accounts_api.customer_list, name="customers"),
    path("customers/<str:external_id>", accounts_api.customer_detail, name="customer"),
    path("customers/<str:external_id>/balance", accounts_api.customer_balance, name="balance"),
    path("customers/<str:external_id>/grants", accounts_api.grant_list, name="grants"),
    path("customers/<str:external_id>/caps", caps_api.cap_list, name="caps"),
    path("customers/<str:external_id>/caps/<uuid:cap_id>", caps_api.cap_detail, name="cap"),
    path("customers/<str:external_id>/stop", caps_api.stop_usage, name="stop-usage"),
    path("customers/<str:external_id>/resume", caps_api.resume_usage, name="resume-usage"),
    path("customers/<str:external_id>/alerts", alerts_api.alert_list, name="alerts"),
    path("plans", pricing_api.plan_list, name="plans"),
    path("subscriptions", pricing_api.subscription_list, name="subscriptions"),
    path("invoices", invoicing_api.invoice_list, name="invoices"),
    path("invoices/<uuid:invoice_id>", invoicing_api.invoice_detail, name="invoice"),
    path("dead-letters", alerts_api.dead_letter_list, name="dead-letters"),
]
