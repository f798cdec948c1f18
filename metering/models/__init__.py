"""Tables of everything that is written because of an event."""

from metering.models.alerts import AlertFiring, SpendAlert
from metering.models.authorizations import Authorization, CapReservation, Ending
from metering.models.backtests import (
    UNFINISHED,
    BacktestResult,
    BacktestRun,
    BacktestState,
)
from metering.models.billing_periods import BillingPeriod, UsageTotal
from metering.models.caps import CapCounter, CapOwner, SpendCap
from metering.models.corrections import Adjustment, EventVoid
from metering.models.events import DeadLetter, Event, RatedEvent
from metering.models.period_charges import DistinctValue, PeriodCharge
from metering.models.usage_slots import UsageFold, UsageSlot

__all__ = [
    "UNFINISHED",
    "Adjustment",
    "AlertFiring",
    "Authorization",
    "BacktestResult",
    "BacktestRun",
    "BacktestState",
    "BillingPeriod",
    "CapCounter",
    "CapOwner",
    "CapReservation",
    "DeadLetter",
    "DistinctValue",
    "Ending",
    "Event",
    "EventVoid",
    "PeriodCharge",
    "RatedEvent",
    "SpendAlert",
    "SpendCap",
    "UsageFold",
    "UsageSlot",
    "UsageTotal",
]
