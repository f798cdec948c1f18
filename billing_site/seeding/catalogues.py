"""What the two invented companies sell, as data."""

from dataclasses import dataclass
from typing import Any

from pricing.models import Aggregation, ShortfallPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldMeter:
    """A meter and what each of the company's plans charges for it."""

    code: str
    name: str
    unit: str
    event_type: str
    aggregation: Aggregation
    quantity_property: str = ""
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldPlan:
    """A plan of all the company's meters."""

    code: str
    name: str
    shortfall_policy: ShortfallPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """One tenant."""

    slug: str
    name: str
    asset: tuple[str, str, int, bool]
    """Code, name, scale, whether it is a currency."""
    meters: tuple[SoldMeter, ...]
    plans: tuple[SoldPlan, ...]


def _by(dimension: str, unit_amounts: dict[str, str], **terms: str) -> dict[str, Any]:
    cells = [
        {"match": {dimension: value}, "unit_amount": amount}
        for value, amount in unit_amounts.items()
    ]
    return {
        "charge_model": "per_unit",
        **terms,
        "matrix": {"dimensions": [dimension], "cells": cells},
    }


LUMEN = Company(
    slug="lumen",
    name="Lumen AI",
    asset=("USD", "US dollar", 2, True),
    meters=(
        SoldMeter(
            code="input_tokens",
            name="Input tokens",
            unit="token",
            event_type="completion",
            aggregation=Aggregation.SUM,
            quantity_property="input_tokens",
            definition=_by(
                "model",
                {"lumen-large": "5.00", "lumen-small": "0.60", "*": "2.00"},
                unit_size="1000000",
            ),
        ),
        SoldMeter(
            code="output_tokens",
            name="Output tokens",
            unit="token",
            event_type="completion",
            aggregation=Aggregation.SUM,
            quantity_property="output_tokens",
            definition=_by(
                "model",
                {"lumen-large": "25.00", "lumen-small": "2.40", "*": "8.00"},
                unit_size="1000000",
            ),
        ),
        SoldMeter(
            code="images",
            name="Images",
            unit="image",
            event_type="image",
            aggregation=Aggregation.COUNT,
            definition=_by("quality", {"high": "0.17", "standard": "0.04"}),
        ),
    ),
    plans=(
        SoldPlan(code="prepaid", name="Prepaid", shortfall_policy=ShortfallPolicy.BLOCK),
        SoldPlan(code="enterprise", name="Enterprise", shortfall_policy=ShortfallPolicy.OVERAGE),
    ),
)

KESTREL = Company(
    slug="kestrel",
    name="Kestrel Video",
    asset=("credits", "Kestrel credits", 0, False),
    meters=(
        SoldMeter(
            code="video_seconds",
            name="Video seconds",
            unit="second",
            event_type="render",
            aggregation=Aggregation.SUM,
            quantity_property="seconds",
            definition=_by("speed", {"fast": "4", "relaxed": "1"}),
        ),
    ),
    plans=(SoldPlan(code="studio", name="Studio", shortfall_policy=ShortfallPolicy.BLOCK),),
)
