"""The Celery app and the whole beat schedule on one screen.

Every task finds its work in the database, so a message lost by the broker costs one interval and
a message delivered twice costs nothing.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_site.settings")

app = Celery("drawdown")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["metering", "invoicing", "billing_site"])
app.conf.beat_schedule = {
    "deliver-alerts": {"task": "metering.tasks.deliver_alerts", "schedule": 5.0},
    "settle-due-accounts": {"task": "metering.tasks.settle_due_accounts", "schedule": 5.0},
    "bring-included-credits": {"task": "metering.tasks.bring_included_credits", "schedule": 5.0},
    "close-due-periods": {"task": "invoicing.tasks.close_due_periods", "schedule": 5.0},
    "build-invoices": {"task": "invoicing.tasks.build_invoices", "schedule": 5.0},
    "correct-invoices": {"task": "invoicing.tasks.correct_invoices", "schedule": 10.0},
    "open-periods": {"task": "invoicing.tasks.open_periods", "schedule": 30.0},
    "fold-usage": {"task": "metering.tasks.fold_usage", "schedule": 5.0},
    "run-backtests": {"task": "metering.tasks.run_backtests", "schedule": 5.0},
    "self-check": {"task": "billing_site.tasks.check_ledger", "schedule": 300.0},
}
