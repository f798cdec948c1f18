"""A month of the past, lived through day by day: usage, top-ups, a closed period, an invoice."""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts import customers, ledger
from accounts.burndown import Category
from accounts.models import Asset, CreditAccount, Customer, Organization
from billing_site.seeding.catalogues import Company
from billing_site.seeding.people import Habit, draft
from invoicing import closing
from metering import event_drafts, ingestion
from metering.event_drafts import EventDraft, InvalidDraft
from metering.models import SpendAlert
from pricing import publication, subscriptions
from pricing.models import Meter, Plan, PlanVersion, Price

DAYS = 36
WEEKEND_SHARE = 0.45


@dataclass(frozen=True, slots=True, kw_only=True)
class Regular:
    """A customer with their habit and their account."""

    habit: Habit
    customer: Customer
    account: CreditAccount


def found(company: Company, *, at: dt.datetime) -> Organization:
    """Create the tenant with its asset, meters and published plans."""
    organization = Organization.objects.create(slug=company.slug, name=company.name, created_at=at)
    code, name, scale, is_currency = company.asset
    asset = Asset.objects.create(
        organization=organization, code=code, name=name, scale=scale, is_currency=is_currency
    )
    meters = [
        Meter.objects.create(
            organization=organization,
            code=sold.code,
            name=sold.name,
            unit=sold.unit,
            event_type=sold.event_type,
            aggregation=sold.aggregation,
            quantity_property=sold.quantity_property,
        )
        for sold in company.meters
    ]
    for sold_plan in company.plans:
        plan = Plan.objects.create(
            organization=organization, code=sold_plan.code, name=sold_plan.name
        )
        version = publication.open_draft(plan=plan, at=at)
        PlanVersion.objects.filter(id=version.id).update(
            shortfall_policy=sold_plan.shortfall_policy
        )
        for meter, sold in zip(meters, company.meters, strict=True):
            Price.objects.create(
                organization=organization,
                plan_version=version,
                meter=meter,
                asset=asset,
                definition=sold.definition,
            )
        publication.publish(version=version, by=None, at=at)
    return organization


def take_on(
    organization: Organization, habits: Sequence[Habit], *, at: dt.datetime
) -> list[Regular]:
    """Create the customers, subscribe them, give them their first credit and an alert."""
    return [_take_on(organization, habit, at=at) for habit in habits]


def _take_on(organization: Organization, habit: Habit, *, at: dt.datetime) -> Regular:
    customer = customers.create_customer(
        organization=organization,
        external_id=habit.external_id,
        at=at,
        name=habit.name,
        email=habit.email,
        time_zone=habit.time_zone,
    )
    plan = Plan.objects.get(organization=organization, code=habit.plan)
    version = subscriptions.newest_version(plan, at=at)
    subscriptions.subscribe(customer=customer, plan_version=version, at=at)
    account = CreditAccount.objects.get(customer=customer)
    regular = Regular(habit=habit, customer=customer, account=account)
    if habit.top_up:
        SpendAlert.objects.create(
            organization=organization, account=account, threshold=Decimal(habit.warn_below)
        )
        _top_up(regular, at=at)
        ledger.grant_credit(
            account=account,
            amount=Decimal(habit.top_up) / 5,
            category=Category.PROMOTIONAL,
            at=at,
            expires_at=at + dt.timedelta(days=21),
            name="Welcome credit",
        )
    return regular


def live_through(
    organization: Organization, regulars: Sequence[Regular], *, until: dt.datetime
) -> None:
    """Record the days up to `until`, topping up whoever runs low, and bill what is due."""
    chance = random.Random(f"drawdown {organization.slug}")  # noqa: S311  Believable, not secret.
    for days_ago in range(DAYS - 1, -1, -1):
        day_end = until - dt.timedelta(days=days_ago)
        drafts = [
            parsed for regular in regulars for parsed in _a_day_of(regular, chance, day_end=day_end)
        ]
        ingestion.record_events(organization_id=organization.id, drafts=drafts, at=day_end)
        closing.close_due_periods(at=day_end)
        closing.build_due_invoices(at=day_end)


def _a_day_of(
    regular: Regular, chance: random.Random, *, day_end: dt.datetime
) -> list[EventDraft | InvalidDraft]:
    """Return a day of events, oldest first, after topping up if there is little left."""
    if regular.habit.top_up:
        balance = ledger.read_balance(regular.account, at=day_end).posted
        if balance < regular.habit.warn_below and chance.random() < 0.8:  # noqa: PLR2004
            _top_up(regular, at=day_end - dt.timedelta(hours=20))
    weekend = day_end.weekday() >= 5  # noqa: PLR2004
    usual = regular.habit.events_per_day * (WEEKEND_SHARE if weekend else 1)
    count = max(1, round(chance.gauss(usual, usual / 5)))
    moments = sorted(
        day_end - dt.timedelta(seconds=chance.randint(60, 68_000)) for _ in range(count)
    )
    return [
        event_drafts.parse(draft(regular.habit, chance, timestamp=moment.isoformat()), at=day_end)
        for moment in moments
    ]


def _top_up(regular: Regular, *, at: dt.datetime) -> None:
    ledger.grant_credit(
        account=regular.account,
        amount=Decimal(regular.habit.top_up),
        category=Category.PAID,
        at=at,
        name="Top-up",
    )
