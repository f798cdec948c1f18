"""What every model in the admin shares: it shows, offers and changes rows of one organization."""

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect, RelatedFieldWidgetWrapper
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.http import HttpRequest

from accounts.models import AmountField, TenantModel
from accounts.tenant_admin.amounts import AmountInput
from accounts.tenant_admin.base import LoggedAdmin
from accounts.tenant_admin.seats import Seat, seat_of, taken_seat

if TYPE_CHECKING:
    # The classes take type parameters only in their stubs.
    _BaseModelAdmin = admin.options.BaseModelAdmin[Any]
    _StackedInline = admin.StackedInline[Any, Any]
    _TabularInline = admin.TabularInline[Any, Any]
    _ModelForm = forms.ModelForm[Any]
else:
    _BaseModelAdmin = admin.options.BaseModelAdmin
    _StackedInline = admin.StackedInline
    _TabularInline = admin.TabularInline
    _ModelForm = forms.ModelForm


class TenantForm(_ModelForm):
    """A form whose row belongs to the organization of `seat`, which nobody can type.

    The organization is set before validation, so that "once per organization" is checked by the
    form and answered next to the field, not by the database.
    """

    seat: ClassVar[Seat]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.organization = self.seat.organization

    def _get_validation_exclusions(self) -> set[str]:
        # Every unique constraint starts with the organization: excluding it would skip them all.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"organization"}


class SearchSelect(AutocompleteSelect):
    """A picker that is searched, and says so: an empty one has no name to be read out otherwise."""

    @property
    def media(self) -> forms.Media:
        """Return Django's files and the one that mends what they draw."""
        # Named together so that ours comes second: it mends what the first has drawn.
        return super().media + forms.Media(js=["admin/js/autocomplete.js", "js/search_select.js"])

    def build_attrs(
        self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the attributes with a placeholder."""
        attrs = super().build_attrs(base_attrs, extra_attrs)
        return {**attrs, "data-placeholder": f"Find {self.field.verbose_name}"}

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        """Return what is chosen; a value that is no id, written by hand, chooses nothing."""
        return super().optgroups(name, [each for each in value if _is_id(each)], attrs)


def _is_id(value: object) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


class RelatedRowsFilter(admin.RelatedFieldListFilter):
    """A list filter that offers related rows of the organization only."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[Any]:
        """Return the choices of the sidebar."""
        choices: list[Any] = field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"organization": taken_seat(request).organization},
        )
        return choices


class TenantScope(_BaseModelAdmin):
    """Narrows whatever Django admin reads or offers to the organization of the request."""

    form: type[Any] = TenantForm
    view_on_site: Any = False
    formfield_overrides = {AmountField: {"form_class": AmountInput}}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Return the organization's rows."""
        queryset = super().get_queryset(request)
        return queryset.filter(organization=taken_seat(request).organization)

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep the organization out of every form."""
        return [*(super().get_exclude(request, obj) or ()), "organization"]

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the organization's rows."""
        kwargs["queryset"] = _offered(db_field, request, kwargs.get("queryset"))
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = SearchSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the organization's rows."""
        kwargs["queryset"] = _offered(db_field, request, kwargs.get("queryset"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Leave only "add" of the buttons Django puts beside a picker."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            # Changing, or deleting, what one merely wants to refer to is done on its own page.
            field.widget.can_change_related = False
            field.widget.can_delete_related = False
            field.widget.can_view_related = False
        return field

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sits in an organization may look."""
        return seat_of(request) is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners, admins and platform staff may change."""
        return self._may_edit(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the app on the index page."""
        return seat_of(request) is not None

    @staticmethod
    def _may_edit(request: HttpRequest) -> bool:
        seat = seat_of(request)
        return seat is not None and seat.may_edit


def _offered(
    db_field: models.ForeignKey[Any, Any] | models.ManyToManyField[Any, Any],
    request: HttpRequest,
    queryset: models.QuerySet[Any] | None,
) -> models.QuerySet[Any]:
    model = db_field.remote_field.model
    if not issubclass(model, TenantModel):
        raise ImproperlyConfigured(
            f"{db_field} refers to rows of every organization and cannot be offered in a form"
        )
    if queryset is None:
        queryset = model._default_manager.all()
    return queryset.filter(organization=taken_seat(request).organization)


class TenantModelAdmin(TenantScope, LoggedAdmin):
    """A model of the organization. Rows that others refer to are kept, others may be deleted."""

    deletable = True

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[Any]:
        """Return a form class that knows the organization."""
        form = super().get_form(request, obj, change, **kwargs)
        form.seat = taken_seat(request)  # type: ignore[attr-defined]
        return form

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Replace filters by a relation with ones that know the organization."""
        return [
            (name, RelatedRowsFilter) if self._is_relation(name) else name
            for name in super().get_list_filter(request)
        ]

    def _is_relation(self, name: Any) -> bool:
        return isinstance(name, str) and bool(self.opts.get_field(name).is_relation)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Owners, admins and platform staff may add."""
        return self._may_edit(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what nothing refers to may go; history is never deleted."""
        if not self.deletable or not self._may_edit(request):
            return False
        return obj is None or not is_referred_to(obj)

    def require_change(self, request: HttpRequest, obj: Any) -> None:
        """Raise PermissionDenied unless `obj` may be changed."""
        if not self.has_change_permission(request, obj):
            raise PermissionDenied(f"{obj} may not be changed")


def is_referred_to(row: TenantModel) -> bool:
    """Whether rows of the organization refer to `row` that would have to go with it.

    Asked before Django collects what a deletion takes along, because that reads every such row.
    """
    return any(
        relation.related_model._base_manager.filter(
            organization=row.organization_id, **{relation.field.name: row}
        ).exists()
        for relation in row._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel) and relation.on_delete is models.PROTECT
    )


class ReadOnlyAdmin(TenantModelAdmin):
    """A model that only the domain writes; people look."""

    deletable = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows by hand."""
        return False


class TenantInline(TenantScope):
    """Rows edited on the page of the row they belong to, under the same rules."""

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> type[Any]:
        """Return a formset class whose forms know the organization."""
        formset = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        formset.form.seat = taken_seat(request)
        return formset  # type: ignore[no-any-return]

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Owners, admins and platform staff may add."""
        return self._may_edit(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners, admins and platform staff may delete."""
        return self._may_edit(request)


class StackedTenantInline(TenantInline, _StackedInline):
    """Scoped rows, one under the other."""


class TabularTenantInline(TenantInline, _TabularInline):
    """Scoped rows as a table."""


class ReadOnlyTenantInline(TabularTenantInline):
    """Scoped rows that are only looked at."""

    can_delete = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show every field without an input."""
        return [*self.get_fields(request, obj)]

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows by hand."""
        return False
