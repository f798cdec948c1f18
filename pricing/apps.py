"""App registration."""

from django.apps import AppConfig


class PricingConfig(AppConfig):
    """The pricing app."""

    name = "pricing"
