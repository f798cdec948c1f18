"""Django admin, scoped: whoever uses it sits in one organization and sees only its rows."""

from accounts.tenant_admin.base import LoggedAdmin
from accounts.tenant_admin.model_admin import (
    ReadOnlyAdmin,
    ReadOnlyTenantInline,
    StackedTenantInline,
    TabularTenantInline,
    TenantForm,
    TenantModelAdmin,
)
from accounts.tenant_admin.seats import Seat, seat_of, take, taken_seat
from accounts.tenant_admin.site import TenantAdminSite

__all__ = [
    "LoggedAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyTenantInline",
    "Seat",
    "StackedTenantInline",
    "TabularTenantInline",
    "TenantAdminSite",
    "TenantForm",
    "TenantModelAdmin",
    "seat_of",
    "take",
    "taken_seat",
]
