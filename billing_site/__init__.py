"""The front door: settings, URLs, API shell, Celery, dashboards and the demo."""

from billing_site.celery import app as celery_app

__all__ = ["celery_app"]
