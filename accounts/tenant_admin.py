"""Django admin, scoped."""

from django.contrib import admin


class TenantAdminSite(admin.AdminSite):
    """The admin site."""
