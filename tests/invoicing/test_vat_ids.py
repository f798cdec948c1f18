"""VAT ids: their form and their check digits."""

import pytest

from invoicing import vat_ids

VALID = [
    "ATU13585627", "BE0428759497", "DE136695976", "DK13585628", "EE100931558", "EL094259216",
    "FI20774740", "FR40303265045", "GB980780684", "HR33392005961", "HU12892312", "IT00743110157",
    "LU15027442", "MT11679112", "NL004495445B01", "PL8567346215", "PT501964843", "RO18547290",
    "SE123456789701", "SI50223054", "SK2022749619",
]  # fmt: skip


@pytest.mark.parametrize("vat_id", VALID)
def test_a_valid_one_is_read(vat_id: str) -> None:
    assert vat_ids.read(vat_id) == vat_id


@pytest.mark.parametrize("vat_id", VALID)
def test_any_other_last_digit_is_refused(vat_id: str) -> None:
    place = {"SE": 11, "NL": 8}.get(vat_id[:2], len(vat_id) - 1)
    other = str((int(vat_id[place]) + 1) % 10)
    with pytest.raises(vat_ids.VatIdInvalid, match="check digit"):
        vat_ids.read(vat_id[:place] + other + vat_id[place + 1 :])


def test_spaces_dots_and_small_letters_do_not_matter() -> None:
    assert vat_ids.read("de 136.695-976") == "DE136695976"


@pytest.mark.parametrize("text", ["", "DE", "US123456789", "DE12345678", "DE١٣٦٦٩٥٩٧٦", "XX1"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(vat_ids.VatIdInvalid):
        vat_ids.read(text)


def test_greece_and_northern_ireland_have_prefixes_of_their_own() -> None:
    assert [vat_ids.country_of(each) for each in ("EL094259216", "XI980780684", "DE1")] == [
        "GR", "GB", "DE",
    ]  # fmt: skip
