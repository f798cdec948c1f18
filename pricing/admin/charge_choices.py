"""The charge models in plain words: what each of them is called, does, asks for, and an example."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A charge model as the editor offers it.

    `fields` are the fields of a definition it asks for; `main` is the one a single number in a
    cell fills, `tier_main` the one that number fills in a tier, "" for a model without tiers.
    """

    code: str
    title: str
    sentence: str
    example: str
    fields: tuple[str, ...]
    main: str
    tier_main: str = ""


CHOICES = (
    Choice(
        code="per_unit",
        title="Per unit",
        sentence="Every unit costs the same.",
        example="2.50 for 1,000,000 tokens.",
        fields=("unit_amount",),
        main="unit_amount",
    ),
    Choice(
        code="graduated",
        title="Graduated tiers",
        sentence="Units get cheaper as usage grows; each unit at the price of its own tier.",
        example="The first 1,000 calls at 0.01, those above at 0.008.",
        fields=("tiers",),
        main="unit_amount",
        tier_main="unit_amount",
    ),
    Choice(
        code="volume_tiers",
        title="Volume tiers",
        sentence="The total decides one price for all units of the period.",
        example="Up to 1,000 calls 0.01 each; with 1,001 all of them 0.008.",
        fields=("tiers",),
        main="unit_amount",
        tier_main="unit_amount",
    ),
    Choice(
        code="stairstep",
        title="Steps",
        sentence="One fixed amount for the step that the period's total reaches.",
        example="Up to 100 documents 5, up to 500 documents 20.",
        fields=("tiers",),
        main="flat_amount",
        tier_main="flat_amount",
    ),
    Choice(
        code="package",
        title="Packages",
        sentence="Sold in blocks; a started block costs all of it.",
        example="10 for every 100 images; 101 images cost 20.",
        fields=("unit_amount", "package_size"),
        main="unit_amount",
    ),
    Choice(
        code="flat",
        title="Flat",
        sentence="One amount for the period, however much is used.",
        example="20 a month for access to search.",
        fields=("flat_amount",),
        main="flat_amount",
    ),
    Choice(
        code="percentage",
        title="Percentage",
        sentence="A share of the amount of each transaction, and fixed parts if you like.",
        example="1.2 % and 0.10 for each payment.",
        fields=(
            "percentage",
            "tiers",
            "fixed_amount",
            "minimum_per_event",
            "maximum_per_event",
            "free_events",
            "free_amount",
        ),
        main="percentage",
        tier_main="percentage",
    ),
    Choice(
        code="dynamic",
        title="The event says the price",
        sentence="Each event brings its own amount, times a factor.",
        example="What a vendor charged us, times 1.3.",
        fields=("multiplier", "amount_property"),
        main="multiplier",
    ),
)

BY_CODE = {choice.code: choice for choice in CHOICES}
MODEL_FIELDS = tuple(dict.fromkeys(field for choice in CHOICES for field in choice.fields))
"""Every field that some charge model asks for."""


_SIZED = ("per_unit", "package", "graduated", "volume_tiers", "stairstep")


def asking_for(field: str) -> list[str]:
    """Return the codes of the charge models that have a use for a field of a price."""
    if field == "unit_size":
        return [*_SIZED]
    return [choice.code for choice in CHOICES if field in choice.fields]


def tier_main(charge_model: str) -> str:
    """Return what the number of a tier means; what has no tiers becomes graduated with them."""
    return (BY_CODE[charge_model].tier_main if charge_model in BY_CODE else "") or "unit_amount"
