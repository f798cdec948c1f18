"""App registration of the site itself and of its admin."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class BillingSiteConfig(AppConfig):
    """The front door, an app so that its management commands are found."""

    name = "billing_site"
    default = True


class DrawdownAdminConfig(admin_apps.AdminConfig):
    """Django admin with access decided by membership instead of by `is_staff` alone."""

    default = False
    default_site = "accounts.tenant_admin.TenantAdminSite"
