"""Identifiers."""

import time

from accounts import identifiers


def test_ids_are_of_version_7_and_grow_with_time() -> None:
    first = identifiers.new_id()
    time.sleep(0.002)
    second = identifiers.new_id()
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < second


def test_ids_of_one_moment_differ() -> None:
    assert len({identifiers.new_id() for _ in range(1_000)}) == 1_000


def test_an_id_tells_when_it_was_made() -> None:
    milliseconds = identifiers.new_id().int >> 80
    assert abs(milliseconds - time.time() * 1_000) < 5_000
