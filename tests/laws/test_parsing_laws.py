"""The short ways of reading events take what the careful ways take, and nothing else."""

import json
import re
import uuid
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from accounts import exact_json
from metering import event_drafts
from tests.clock import HOUR, NOW

_NAMES = st.sampled_from(["a", "b", ":", '":', "a:b", "\\", "é", "\u2028", ""])
_TEXTS = st.one_of(
    _NAMES, st.text(max_size=8), st.sampled_from(["x" * 200, "x" * 201, "\0", "\x7f", "\xa0"])
)
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**100), st.just(10**99), _TEXTS
)


class _Members(list[tuple[str, Any]]):
    """Members of an object as they are sent: a name may come twice."""


_SENT = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(st.tuples(_NAMES, inner), max_size=4).map(_Members),
    ),
    max_leaves=8,
)


def _is_ambiguous(value: object) -> bool:
    if isinstance(value, _Members):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(_is_ambiguous(each) for _, each in value)
    return isinstance(value, list) and any(map(_is_ambiguous, value))


def _write(value: object, colon: str, *, escapes: str) -> str:
    """Write JSON with white space around each colon, and a colon inside of texts as `escapes`."""
    if isinstance(value, _Members):
        members = (
            _write(name, colon, escapes=escapes) + colon + _write(each, colon, escapes=escapes)
            for name, each in value
        )
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_write(each, colon, escapes=escapes) for each in value) + "]"
    written = json.dumps(value, ensure_ascii=escapes != ":")
    return written.replace(":", escapes) if isinstance(value, str) else written


@given(
    sent=_SENT,
    colon=st.sampled_from([":", " : ", "\n:", ":\t"]),
    escapes=st.sampled_from([":", r"\u003a", r"\u003A"]),
)
@example(_Members([("a", 1), ("a", ":")]), ":", r"\u003a")
@example(_Members([("a", ":"), ("a", 1)]), ":", ":")
def test_a_name_given_twice_never_passes(sent: object, colon: str, escapes: str) -> None:
    body = _write(sent, colon, escapes=escapes).encode("utf-8", "replace")
    refusal = _refusal(body)
    assert (refusal is not None) == _is_ambiguous(sent)
    assert "more than once" in (refusal or "more than once")


def _refusal(body: bytes) -> str | None:
    try:
        exact_json.decode(body)
    except exact_json.JSONInvalid as error:
        return str(error)
    return None


_UUIDS = st.uuids().map(str)
_IDS = st.one_of(_TEXTS, _UUIDS, _UUIDS.map(str.upper))
_TIMES = st.sampled_from(
    [NOW.isoformat(), "2025-03-10T11:59:00Z", (NOW + HOUR * 2).isoformat(), "soon"]
)
_EVENTS = st.fixed_dictionaries(
    {"id": _IDS, "type": _TEXTS, "customer": _TEXTS},
    optional={
        "source": st.one_of(_LEAVES),
        "timestamp": st.one_of(st.none(), _TIMES),
        "properties": st.one_of(
            st.none(), st.dictionaries(_TEXTS, _LEAVES | st.decimals() | st.lists(_LEAVES))
        ),
        "authorization": st.one_of(st.none(), _IDS),
        "backfill": st.sampled_from([True, False, None, 1]),
        "more": _LEAVES,
    },
)


@given(_EVENTS)
def test_the_short_way_takes_an_event_as_the_careful_way_does(raw: dict[str, Any]) -> None:
    judged = event_drafts._judged(raw, at=NOW)
    assert event_drafts._usual(raw, at=NOW) in (None, judged)
    assert event_drafts.parse(raw, at=NOW) == judged
    if isinstance(judged, event_drafts.EventDraft):
        assert judged.properties_json == exact_json.encode(judged.properties).decode()
        assert exact_json.decode_stored(judged.properties_json) == judged.properties


def test_what_is_usual_goes_the_short_way() -> None:
    raw = {
        "id": str(uuid.uuid4()), "type": "llm.call", "customer": "c", "source": "eu",
        "timestamp": NOW.isoformat(), "properties": {"tokens": 3, "say": 'a "b"\n'},
    }  # fmt: skip
    assert event_drafts._usual(raw, at=NOW) is not None


_HEX = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NEARLY = st.tuples(_UUIDS, st.integers(0, 36), st.sampled_from("-0aAg ٣\0{")).map(
    lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
)


@given(_NEARLY | _IDS | _UUIDS.map(lambda text: text.replace("-", "")))
def test_only_a_uuid_in_its_own_words_is_one(text: str) -> None:
    expected = uuid.UUID(text) if _HEX.fullmatch(text) else None
    assert event_drafts._canonical_uuid(text) == expected


@given(st.binary(max_size=12) | st.text('{}[]":,1ae.\\u\ufeff ', max_size=12).map(str.encode))
def test_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = exact_json.decode(body)
    except exact_json.JSONInvalid:
        return
    assert msgspec.json.decode(exact_json.encode(value)) == msgspec.json.decode(body)
