"""App registration of the site itself and of its admin."""

from django.contrib.admin.apps import AdminConfig


class DrawdownAdminConfig(AdminConfig):
    """Django admin with access decided by membership instead of by `is_staff` alone."""

    default_site = "accounts.tenant_admin.TenantAdminSite"
