"""The API's addresses, under /api/v1/."""

from django.urls import path

from accounts import api as accounts_api
from invoicing.api import credit_notes as credit_notes_api
from invoicing.api import invoices as invoices_api
from invoicing.api import seats as seats_api
from metering.api import alerts as alerts_api
from metering.api import authorizations as authorizations_api
from metering.api import backtests as backtests_api
from metering.api import caps as caps_api
from metering.api import corrections as corrections_api
from metering.api import dead_letters as letters_api
from metering.api import events as events_api
from metering.api import grants as grants_api
from metering.api import ledger as ledger_api
from metering.api import margins as margins_api
from metering.api import overrides as overrides_api
from metering.api import quotes as quotes_api
from pricing.api import catalogue as catalogue_api
from pricing.api import costs as costs_api
from pricing.api import customers as customers_api
from pricing.api import plan_versions as versions_api
from pricing.api import subscriptions as subscriptions_api

app_name = "api"

urlpatterns = [
    path("events", events_api.events, name="events"),
    # An event's id may be a path, so these come before the event, and show it when they are read.
    path("events/void", corrections_api.event_voids, name="void-events"),
    path("events/<path:external_id>/void", corrections_api.event_void, name="void-event"),
    path("events/<path:external_id>/replace", corrections_api.event_replacement, name="replace"),
    path("events/<path:external_id>", events_api.event_detail, name="event"),
    path("quotes", quotes_api.quotes, name="quotes"),
    path("authorizations", authorizations_api.authorization_list, name="authorizations"),
    path(
        "authorizations/<uuid:authorization_id>",
        authorizations_api.authorization_detail,
        name="authorization",
    ),
    path(
        "authorizations/<uuid:authorization_id>/capture",
        authorizations_api.authorization_capture,
        name="authorization-capture",
    ),
    path(
        "authorizations/<uuid:authorization_id>/extend",
        authorizations_api.authorization_extend,
        name="authorization-extend",
    ),
    path(
        "authorizations/<uuid:authorization_id>/report",
        authorizations_api.authorization_report,
        name="authorization-report",
    ),
    path(
        "authorizations/<uuid:authorization_id>/release",
        authorizations_api.authorization_release,
        name="authorization-release",
    ),
    path("customers", customers_api.customer_list, name="customers"),
    path("customers/<str:external_id>", accounts_api.customer_detail, name="customer"),
    path("customers/<str:external_id>/balance", accounts_api.customer_balance, name="balance"),
    path("customers/<str:external_id>/ledger", ledger_api.customer_ledger, name="ledger"),
    path("customers/<str:external_id>/grants", grants_api.grant_list, name="grants"),
    path("grants/<uuid:grant_id>", grants_api.grant_detail, name="grant"),
    path("grants/<uuid:grant_id>/void", grants_api.grant_void, name="void-grant"),
    path("customers/<str:external_id>/caps", caps_api.cap_list, name="caps"),
    path("customers/<str:external_id>/caps/<uuid:cap_id>", caps_api.cap_detail, name="cap"),
    path("customers/<str:external_id>/stop", caps_api.stop_usage, name="stop-usage"),
    path("customers/<str:external_id>/resume", caps_api.resume_usage, name="resume-usage"),
    path("customers/<str:external_id>/alerts", alerts_api.alert_list, name="alerts"),
    path(
        "customers/<str:external_id>/entitlements",
        customers_api.entitlement_list,
        name="entitlements",
    ),
    path("customers/<str:external_id>/overrides", overrides_api.override_list, name="overrides"),
    path("meters", catalogue_api.meter_list, name="meters"),
    path("plans", catalogue_api.plan_list, name="plans"),
    path("plans/<str:code>", catalogue_api.plan_detail, name="plan"),
    path("plans/<str:code>/versions", versions_api.version_list, name="versions"),
    path("plans/<str:code>/versions/<int:number>", versions_api.version_detail, name="version"),
    path(
        "plans/<str:code>/versions/<int:number>/publish",
        versions_api.version_publish,
        name="publish",
    ),
    path("coupons", catalogue_api.coupon_list, name="coupons"),
    path("subscriptions", subscriptions_api.subscription_list, name="subscriptions"),
    path(
        "subscriptions/<uuid:subscription_id>/seats",
        seats_api.subscription_seats,
        name="subscription-seats",
    ),
    path("invoices", invoices_api.invoice_list, name="invoices"),
    path("invoices/upcoming", invoices_api.invoice_upcoming, name="upcoming-invoice"),
    path("invoices/<uuid:invoice_id>", invoices_api.invoice_detail, name="invoice"),
    path("invoices/<uuid:invoice_id>/void", invoices_api.invoice_void, name="void-invoice"),
    path("invoice-items", credit_notes_api.invoice_item_list, name="invoice-items"),
    path("credit-notes", credit_notes_api.credit_note_list, name="credit-notes"),
    path("cost-policy", costs_api.cost_policy, name="cost-policy"),
    path("cost-rates", costs_api.cost_rate_list, name="cost-rates"),
    path("cost-rates/<uuid:rate_id>", costs_api.cost_rate_detail, name="cost-rate"),
    path("backtests", backtests_api.backtest_list, name="backtests"),
    path("backtests/<uuid:backtest_id>", backtests_api.backtest_detail, name="backtest"),
    path(
        "backtests/<uuid:backtest_id>/customers",
        backtests_api.backtest_customers,
        name="backtest-customers",
    ),
    path("margins", margins_api.margin_report, name="margins"),
    path("dead-letters", letters_api.dead_letter_list, name="dead-letters"),
    path("dead-letters/replay", letters_api.dead_letters_replay, name="replay-dead-letters"),
    path(
        "dead-letters/<uuid:letter_id>/replay",
        letters_api.dead_letter_replay,
        name="replay-dead-letter",
    ),
]
