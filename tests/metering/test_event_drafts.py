"""Reading one event: what is taken, and which field is named when it is not."""

import datetime as dt
import hashlib
import unicodedata
import uuid
from decimal import Decimal
from typing import Any

import pytest

from accounts import exact_json
from metering import event_drafts
from metering.event_drafts import EventDraft, InvalidDraft
from tests.clock import HOUR, NOW, SECOND

GOOD = {"id": "a", "type": "t", "customer": "c"}


def _draft(**fields: Any) -> EventDraft:
    parsed = event_drafts.parse({**GOOD, **fields}, at=NOW)
    assert isinstance(parsed, EventDraft), parsed
    return parsed


def _wrong_fields(raw: object) -> list[str]:
    parsed = event_drafts.parse(raw, at=NOW)
    assert isinstance(parsed, InvalidDraft), parsed
    return [error.field for error in parsed.errors]


class TestIdentity:
    """The 16 bytes an event is known by."""

    def test_a_uuid_stays_what_it_is(self) -> None:
        text = "0192f1ac-7b1c-7c3a-9a64-2f6f0c6d7a11"
        assert _draft(id=text).key == uuid.UUID(text)

    @pytest.mark.parametrize("text", ["0192F1AC-7B1C-7C3A-9A64-2F6F0C6D7A11", "evt_1", "1"])
    def test_anything_else_is_hashed(self, text: str) -> None:
        assert _draft(id=text).key == event_drafts.event_key(source="", external_id=text)
        assert str(_draft(id=text).key) != text.lower()

    def test_source_and_id_cannot_be_confused(self) -> None:
        assert _draft(id="bc", source="a").key != _draft(id="c", source="ab").key

    def test_two_spellings_of_one_letter_are_two_ids(self) -> None:
        composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
        assert _draft(id=composed).key != _draft(id=decomposed).key


class TestPayload:
    """When two payloads are the same."""

    def test_the_order_of_properties_does_not_matter(self) -> None:
        one, other = _draft(properties={"a": 1, "b": 2}), _draft(properties={"b": 2, "a": 1})
        assert one.payload_hash == other.payload_hash

    @pytest.mark.parametrize(
        "changed",
        [
            {"type": "u"},
            {"customer": "d"},
            {"properties": {"a": 1}},
            {"timestamp": NOW.isoformat()},
            {"authorization": str(uuid.UUID(int=1))},
        ],
    )
    def test_everything_else_does(self, changed: dict[str, Any]) -> None:
        assert _draft(**changed).payload_hash != _draft().payload_hash

    def test_an_event_without_authorization_has_the_hash_it_always_had(self) -> None:
        payload: list[Any] = ["a", "", "t", "c", None, {}]
        known = hashlib.blake2b(exact_json.encode(payload), digest_size=16).digest()
        for more in ({}, {"authorization": None}):
            draft = _draft(id="a", type="t", customer="c", properties={}, **more)
            assert draft.payload_hash == known

    def test_captured_and_sent_with_the_authorization_are_the_same(self) -> None:
        id_ = uuid.UUID(int=1)
        captured = event_drafts.parse_captured(
            {**GOOD, "customer": "c"}, customer="c", authorization=id_, at=NOW
        )
        assert captured == _draft(customer="c", authorization=str(id_))

    def test_the_same_moment_in_another_zone_is_the_same(self) -> None:
        utc, berlin = "2025-03-10T11:00:00Z", "2025-03-10T12:00:00+01:00"
        assert _draft(timestamp=utc).payload_hash == _draft(timestamp=berlin).payload_hash


class TestTimestamps:
    """Moments with an offset, neither in the future nor before all computers."""

    @pytest.mark.parametrize(
        "text",
        ["2025-03-10T11:59:00Z", "2025-03-10t11:59:00.123456z", "2025-03-10 12:59:00+01:00"],
    )
    def test_taken(self, text: str) -> None:
        occurred_at = _draft(timestamp=text).occurred_at
        assert occurred_at is not None
        assert occurred_at.replace(microsecond=0) == dt.datetime(2025, 3, 10, 11, 59, tzinfo=dt.UTC)

    @pytest.mark.parametrize(
        "value",
        ["2025-03-10", "2025-03-10T11:59:00", "2025-02-30T00:00:00Z", "0000-01-01T00:00:00Z",
         "9999-12-31T23:59:59-14:00", "٢٠٢٥-٠٣-١٠T11:59:00Z", "now", "", 1741607940, True, [],
         "1999-12-31T23:59:59Z", "2025-03-10T25:00:00Z"],
    )  # fmt: skip
    def test_refused(self, value: object) -> None:
        assert _wrong_fields({**GOOD, "timestamp": value}) == ["timestamp"]

    def test_an_hour_ahead_is_a_clock_that_is_off_and_more_is_a_mistake(self) -> None:
        assert _draft(timestamp=(NOW + HOUR).isoformat()).occurred_at == NOW + HOUR
        late = (NOW + HOUR + SECOND).isoformat()
        assert _wrong_fields({**GOOD, "timestamp": late}) == ["timestamp"]


class TestHostile:
    """What nobody should send."""

    @pytest.mark.parametrize("raw", [None, 1, "event", [], [GOOD], True, Decimal(1)])
    def test_no_object(self, raw: object) -> None:
        assert _wrong_fields(raw) == ["event"]

    @pytest.mark.parametrize("field", ["id", "type", "customer"])
    @pytest.mark.parametrize("value", [None, "", 1, [], {}, "x" * 201, "nul\0"])
    def test_texts(self, field: str, value: object) -> None:
        assert _wrong_fields({**GOOD, field: value}) == [field]

    @pytest.mark.parametrize(
        "properties",
        [[], "x", 1, {"a": "nul\0"}, {"nul\0": 1}, {"n": Decimal("1E+500000")},
         {"n": 10**101}, {"n": Decimal("1." + "1" * 101)}, {"x": "x" * 70_000}],
    )  # fmt: skip
    def test_properties(self, properties: object) -> None:
        assert _wrong_fields({**GOOD, "properties": properties}) == ["properties"]

    def test_deep_properties(self) -> None:
        deep: dict[str, Any] = {}
        for _ in range(30):
            deep = {"deeper": deep}
        assert _wrong_fields({**GOOD, "properties": deep}) == ["properties"]

    @pytest.mark.parametrize(
        "value", ["", "x", 1, [], "{00000000-0000-0000-0000-000000000001}", "A" * 36, "\0"]
    )
    def test_authorization(self, value: object) -> None:
        assert _wrong_fields({**GOOD, "authorization": value}) == ["authorization"]

    @pytest.mark.parametrize("name", ["customer", "authorization"])
    def test_a_captured_event_is_of_its_authorization(self, name: str) -> None:
        own = {"customer": "c", "authorization": str(uuid.UUID(int=1))}
        other = {**GOOD, **own, name: str(uuid.UUID(int=2))}
        draft = event_drafts.parse_captured(
            other, customer="c", authorization=uuid.UUID(int=1), at=NOW
        )
        assert isinstance(draft, InvalidDraft)
        assert [error.field for error in draft.errors] == [name]

    def test_all_mistakes_are_named_at_once(self) -> None:
        assert _wrong_fields({"idd": "a", "timestamp": "soon"}) == [
            "idd", "id", "type", "customer", "timestamp",
        ]  # fmt: skip
