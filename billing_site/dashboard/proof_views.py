"""The proof page of an organization, and what its people may do about what they see there."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts import parked_customers, proofs, tenancy
from accounts.models import Organization, Parking
from billing_site import tasks
from billing_site.dashboard import access, proof_page
from billing_site.dashboard.access import PageRequest, sign_in_required


@never_cache
@vary_on_headers("HX-Request")
@require_safe
@sign_in_required
def proof(request: PageRequest, organization: str) -> HttpResponse:
    """Show whether the organization's books are right.

    The open page asks for the fragment that moves and names the version it shows; while that is
    still the current one the answer is 304.
    """
    found = access.find_organization(request.user, slug=organization)
    now = timezone.now()
    with tenancy.transaction_for(found.id):
        version = proof_page.version(found, at=now)
        if request.htmx and request.htmx.ptag == version:
            return HttpResponseNotModified()
        context = {
            "organization": found,
            "is_operator": True,
            "may_act": access.may_act(request.user, found),
            "version": version,
            "proof": proof_page.read(found, at=now),
            "reason_length": parked_customers.REASON_LENGTH_MAX,
        }
        fragment = "#live" if request.htmx else ""
        response = render(request, f"dashboard/proof.html{fragment}", context)
    response["HX-PTag"] = version
    return response


@never_cache
@require_POST
@sign_in_required
def check_now(request: PageRequest, organization: str) -> HttpResponse:
    """Ask for a run of the self-check, unless one is at work."""
    found = _decided_by(request, organization)
    if proofs.is_running(at=timezone.now()):
        messages.info(request, "A check is running already. What it finds appears here.")
    elif tasks.wake_self_check():
        messages.info(request, "A check was asked for. What it finds appears here.")
    else:
        messages.warning(request, "No worker could be reached. The next check comes by itself.")
    return redirect("proof", organization=found.slug)


@never_cache
@require_POST
@sign_in_required
def let_go(request: PageRequest, organization: str, parking_id: uuid.UUID) -> HttpResponse:
    """Bill a parked customer again, for the reason given."""
    found = _decided_by(request, organization)
    parkings = Parking.objects.for_organization(found).select_related("customer")
    parking = parkings.filter(id=parking_id).first()
    if parking is None:
        raise Http404
    try:
        parked_customers.let_go(
            organization=found,
            parking_id=parking_id,
            reason=request.POST.get("reason", ""),
            by=request.user,
            at=timezone.now(),
        )
    except parked_customers.ReasonMissing:
        most = parked_customers.REASON_LENGTH_MAX
        messages.error(request, f"Say why in 1 to {most} characters. {parking.customer} is parked.")
    except parked_customers.NotParked:
        messages.info(request, f"{parking.customer} had been let go before.")
    else:
        messages.success(request, f"{parking.customer} is billed again.")
    return redirect("proof", organization=found.slug)


def _decided_by(request: PageRequest, slug: str) -> Organization:
    """Return the organization if the person decides there. Raises Http404, PermissionDenied."""
    found = access.find_organization(request.user, slug=slug)
    if not access.may_act(request.user, found):
        raise PermissionDenied
    return found
