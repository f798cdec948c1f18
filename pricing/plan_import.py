"""Importing a plan: a document becomes a draft, with the assets and meters it needs.

What the organization has already is used as it is. A document that says otherwise of an asset or
a meter is refused, because amounts and events that exist depend on it; names may differ.
"""

import datetime as dt
from dataclasses import fields
from typing import Any

from django.db.models import Max

from accounts import money, tenancy
from accounts.models import Asset, Organization
from pricing import plan_export, plan_form
from pricing.field_errors import FieldError
from pricing.models import Entitlement, IncludedCredit, Meter, Plan, PlanVersion, Price
from pricing.models import VersionState as State
from pricing.plan_document import AssetTerms, MeterTerms, PlanDocument
from pricing.plan_form import PlanInvalid

# What people call a thing changes nothing that was counted or charged.
_LABELS = {"name", "unit"}


class DraftExists(Exception):
    """The plan has a draft, which an import would overwrite."""


def import_plan(
    *,
    organization: Organization,
    document: object,
    at: dt.datetime,
    replace_draft: bool = False,
) -> PlanVersion:
    """Store a plan document as a draft of its plan; all of it or nothing.

    `document` is the plan's JSON, or a PlanDocument. Creates the plan, its assets and its meters
    where they are missing. With `replace_draft` the plan's open draft becomes the document.
    Raises plan_form.PlanInvalid naming every field that is wrong, and DraftExists.
    """
    plan = document if isinstance(document, PlanDocument) else plan_form.read(document)
    with tenancy.transaction_for(organization.id):
        return _Import(organization, plan, at=at).run(replace_draft=replace_draft)


class _Import:
    """One import. Lives only inside its transaction."""

    def __init__(self, organization: Organization, plan: PlanDocument, *, at: dt.datetime) -> None:
        self.organization = organization
        self.plan = plan
        self.at = at
        self.errors: list[FieldError] = []
        self.assets: dict[str, Asset] = {}
        self.meters: dict[str, Meter] = {}

    def run(self, *, replace_draft: bool) -> PlanVersion:
        self._find_or_add_assets()
        self._find_or_add_meters()
        self._check_references()
        if self.errors:
            raise PlanInvalid(self.errors)
        draft = self._draft(replace_draft=replace_draft)
        self._write_terms(draft)
        self._write_children(draft)
        return draft

    def _find_or_add_assets(self) -> None:
        for number, terms in enumerate(self.plan.assets):
            asset, _ = Asset.objects.get_or_create(
                organization=self.organization, code=terms.code, defaults=_values(terms)
            )
            self._compare(f"assets[{number}]", terms, plan_export.asset_terms(asset))
        self.assets = {
            asset.code: asset
            for asset in Asset.objects.for_organization(self.organization).order_by("code")
        }

    def _find_or_add_meters(self) -> None:
        for number, terms in enumerate(self.plan.meters):
            meter, _ = Meter.objects.get_or_create(
                organization=self.organization,
                code=terms.code,
                defaults={**_values(terms), "created_at": self.at},
            )
            self._compare(f"meters[{number}]", terms, plan_export.meter_terms(meter))
        self.meters = {
            meter.code: meter
            for meter in Meter.objects.for_organization(self.organization).order_by("code")
        }

    def _compare(
        self, where: str, wanted: AssetTerms | MeterTerms, found: AssetTerms | MeterTerms
    ) -> None:
        for name, value in _values(found).items():
            if name not in _LABELS and value != getattr(wanted, name):
                reason = f"is {value!r} for the {found.code} that exists"
                self.errors.append(FieldError(f"{where}.{name}", reason))

    def _check_references(self) -> None:
        """Note every asset and meter that is named and does not exist."""
        plan = self.plan
        for name, fee in (("base_fee", plan.base_fee), ("seats", plan.seats)):
            if fee is not None:
                self._need(f"{name}.asset", fee.asset, self.assets, "an asset")
        for number, credit in enumerate(plan.included_credits):
            at = f"included_credits[{number}]"
            self._need(f"{at}.asset", credit.asset, self.assets, "an asset")
            for place, code in enumerate(credit.meters):
                self._need(f"{at}.meters[{place}]", code, self.meters, "a meter")
        for number, entitlement in enumerate(plan.entitlements):
            if entitlement.meter:
                at = f"entitlements[{number}].meter"
                self._need(at, entitlement.meter, self.meters, "a meter")
        for number, price in enumerate(plan.prices):
            self._need(f"prices[{number}].meter", price.meter, self.meters, "a meter")
            self._need(f"prices[{number}].asset", price.asset, self.assets, "an asset")

    def _need(self, field: str, code: str, known: dict[str, Any], what: str) -> None:
        if code not in known:
            reason = f"{code} is not {what} of your organization, nor described here"
            self.errors.append(FieldError(field, reason))

    def _draft(self, *, replace_draft: bool) -> PlanVersion:
        """Return an empty draft of the plan, locked. Raises DraftExists."""
        plan, _ = Plan.objects.get_or_create(
            organization=self.organization,
            code=self.plan.code,
            defaults={"name": self.plan.name, "created_at": self.at},
        )
        Plan.objects.select_for_update(no_key=True).get(id=plan.id)
        draft = plan.versions.select_for_update().filter(state=State.DRAFT, customer=None).first()
        if draft is None:
            last = plan.versions.aggregate(last=Max("number"))["last"] or 0
            return PlanVersion(
                organization=self.organization, plan=plan, number=last + 1, created_at=self.at
            )
        if not replace_draft:
            raise DraftExists(plan.code)
        for children in (draft.prices, draft.included_credits, draft.entitlements):
            children.all().delete()
        return draft

    def _write_terms(self, draft: PlanVersion) -> None:
        plan = self.plan
        draft.billing_interval = plan.billing_interval
        draft.shortfall_policy = plan.shortfall_policy
        draft.overdraft_limit = plan.overdraft_limit
        draft.effective_from = plan.effective_from
        draft.trial_days = plan.trial_days
        fee, seats = plan.base_fee, plan.seats
        draft.base_fee_amount = fee.amount if fee else money.ZERO
        draft.base_fee_asset = self.assets[fee.asset] if fee else None
        if fee:
            draft.base_fee_timing = fee.timing
        draft.seat_fee_amount = seats.amount if seats else money.ZERO
        draft.seat_fee_asset = self.assets[seats.asset] if seats else None
        draft.included_seats = seats.included if seats else 0
        if seats:
            draft.seat_fee_timing = seats.timing
        draft.save()

    def _write_children(self, draft: PlanVersion) -> None:
        here = {"organization": self.organization, "plan_version": draft}
        IncludedCredit.objects.bulk_create(
            IncludedCredit(
                **here,
                **{**_values(credit), "asset": self.assets[credit.asset]},
                position=position,
            )
            for position, credit in enumerate(self.plan.included_credits)
        )
        Entitlement.objects.bulk_create(
            Entitlement(**here, **{**_values(each), "meter": self.meters.get(each.meter)})
            for each in self.plan.entitlements
        )
        Price.objects.bulk_create(
            Price(
                **here,
                meter=self.meters[price.meter],
                asset=self.assets[price.asset],
                settle=price.settle,
                definition=price.definition,
            )
            for price in self.plan.prices
        )


def _values(row: Any) -> dict[str, Any]:
    """Return the fields of a row of values, lists as the tables keep them."""
    values = {each.name: getattr(row, each.name) for each in fields(row)}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }
