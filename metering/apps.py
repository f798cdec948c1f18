"""App registration."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """The metering app."""

    name = "metering"
