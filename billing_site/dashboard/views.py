"""The pages people look at."""

import uuid
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts import parked_customers, tenancy
from accounts.models import Customer, Parking
from billing_site.dashboard import access, customer_list, customer_page
from billing_site.dashboard.access import PageRequest, sign_in_required


class SignInForm(AuthenticationForm):
    """Asks for the e-mail address and the password."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "That e-mail address and password do not match. Please try again.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, label_suffix="", **kwargs)
        self.fields["username"].label = "E-mail address"
        self.fields["username"].widget.input_type = "email"


class SignInView(LoginView):
    """The login page. Whoever is signed in already goes on to where they wanted to go."""

    form_class = SignInForm
    template_name = "dashboard/login.html"
    redirect_authenticated_user = True


@never_cache
@require_safe
@sign_in_required
def home(request: PageRequest) -> HttpResponse:
    """Send a person on to their page, or let them choose when there are several."""
    destinations = access.destinations(request.user)
    if len(destinations) == 1 and not request.user.is_superuser:
        return redirect(destinations[0].url)
    return render(request, "dashboard/home.html", {"destinations": destinations})


@never_cache
@vary_on_headers("HX-Request")
@require_safe
@sign_in_required
def customer(request: PageRequest, customer_id: uuid.UUID) -> HttpResponse:
    """Show one customer's balance and usage.

    The open page asks for the fragment that moves every second and names the version it shows;
    while that is still the current one the answer is 304 and costs a few small queries.
    """
    found, is_operator = access.find_customer(request.user, customer_id=customer_id)
    now = timezone.now()
    with tenancy.transaction_for(found.organization_id):
        parking = _parking(found) if is_operator else None
        version = customer_page.version(found, at=now)
        if parking is not None:
            version = f"{version}-{parking.id}"
        if request.htmx and request.htmx.ptag == version:
            return HttpResponseNotModified()
        context = {
            "customer": found,
            "organization": found.organization,
            "is_operator": is_operator,
            "parking": parking,
            "tab": "overview",
            "may_change": access.may_change(request.user, found, is_operator=is_operator),
            "version": version,
            "page": customer_page.read(found, at=now),
        }
    fragment = "#live" if request.htmx else ""
    response = render(request, f"dashboard/customer.html{fragment}", context)
    response["HX-PTag"] = version
    return response


def _parking(customer: Customer) -> Parking | None:
    return parked_customers.current(customer.organization_id).filter(customer=customer).first()


@never_cache
@require_safe
@sign_in_required
def customers(request: PageRequest, organization: str) -> HttpResponse:
    """List an organization's customers for the people who run it."""
    found = access.find_organization(request.user, slug=organization)
    search = request.GET.get("q", "").strip()
    with tenancy.transaction_for(found.id):
        listed = customer_list.read(
            found, search=search, page_number=request.GET.get("page", "1"), at=timezone.now()
        )
    context = {"organization": found, "is_operator": True, "search": search, "listed": listed}
    return render(request, "dashboard/customers.html", context)
