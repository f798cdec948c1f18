"""Prices that come as a whole: all of them are right and written, or none is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Asset
from pricing.admin import price_checks
from pricing.admin.text_tables import Mistake, TableInvalid
from pricing.models import Meter, PlanVersion, Price, Settle
from pricing.price_form import parse_definition

_NAMED_MAX = 3

type Place = Callable[[str, str], Mistake]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingPrice:
    """A price to be written, and `place`, which says where a mistake of the price form stands.

    Without `settle` it is charged on each event, or at close if it cannot be otherwise.
    """

    meter: str
    asset: str
    settle: str
    definition: dict[str, Any]
    place: Place


@dataclass(slots=True)
class Written:
    """What came of it, by the codes of meters and assets."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"{len(names)} {word}" if len(names) > _NAMED_MAX else f"{word} {', '.join(names)}"
            for word, names in (
                ("added", self.added), ("changed", self.changed), ("removed", self.removed),
            )
            if names
        ]  # fmt: skip
        return ", ".join(parts) if parts else "nothing changed"


def write(
    version: PlanVersion, incoming: Sequence[IncomingPrice], *, removing: Sequence[Price]
) -> Written:
    """Write prices into a draft, and take `removing` out of it.

    A price replaces the one of the same meter and asset. Raises TableInvalid naming every mistake,
    and then nothing was written.
    """
    here = {"organization": version.organization_id}
    meters = {meter.code: meter for meter in Meter.objects.filter(**here)}
    assets = {asset.code: asset for asset in Asset.objects.filter(**here)}
    mistakes = [mistake for each in incoming for mistake in _mistakes(each, meters, set(assets))]
    if mistakes:
        raise TableInvalid(mistakes)
    settles = {id(each): each.settle or _usual(each, meters[each.meter]) for each in incoming}
    before = {
        (price.meter.code, price.asset.code): price
        for price in version.prices.select_related("meter", "asset")
    }
    written = Written()
    for each in incoming:
        price = before.get((each.meter, each.asset))
        if price is None:
            price = Price(
                organization_id=version.organization_id,
                plan_version=version,
                meter=meters[each.meter],
                asset=assets[each.asset],
            )
            written.added.append(str(price))
        elif (price.definition, price.settle) == (each.definition, settles[id(each)]):
            continue
        else:
            written.changed.append(str(price))
        price.definition, price.settle = each.definition, settles[id(each)]
        price.save()
    kept = {(each.meter, each.asset) for each in incoming}
    for price in removing:
        if (price.meter.code, price.asset.code) not in kept:
            written.removed.append(str(price))
            price.delete()
    return written


def _mistakes(price: IncomingPrice, meters: Mapping[str, Meter], assets: set[str]) -> list[Mistake]:
    mistakes = []
    if price.meter not in meters:
        mistakes.append(price.place("meter", f"“{price.meter}” is not the code of a meter"))
    if price.asset not in assets:
        mistakes.append(price.place("asset", f"“{price.asset}” is not the code of an asset"))
    if price.settle and price.settle not in Settle.values:
        mistakes.append(price.place("settle", f"must be {' or '.join(Settle.values)}"))
    if price.meter in meters:
        found = price_checks.mistakes_of(price.definition, meters[price.meter], price.settle)
        mistakes += [price.place(*mistake) for mistake in found]
    return mistakes


def _usual(price: IncomingPrice, meter: Meter) -> str:
    terms = parse_definition(price.definition)
    return Settle.AT_CLOSE if price_checks.reason_for_close(terms, meter) else Settle.ON_EVENT
