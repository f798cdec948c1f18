"""What a set of events does when another transaction got in its way."""

import itertools
from typing import Any

import pytest
from django.db import DatabaseError

from metering import event_rows
from metering.ingestion import ATTEMPTS
from metering.outcomes import Status
from tests.guarded_tables import run
from tests.worlds import VideoWorld

pytestmark = pytest.mark.django_db

DEADLOCK, SERIALIZATION, CHECK = "40P01", "40001", "23514"


def fail_first(monkeypatch: pytest.MonkeyPatch, times: int, code: str) -> "itertools.count[int]":
    """Let the database fail the first writes with this code; returns a count of all writes."""
    write, calls = event_rows.write, itertools.count()

    def write_or_fail(*args: Any, **kwargs: Any) -> None:
        if next(calls) < times:
            run(f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{code}'; END $$")
        write(*args, **kwargs)

    monkeypatch.setattr(event_rows, "write", write_or_fail)
    return calls


@pytest.mark.parametrize("code", [DEADLOCK, SERIALIZATION])
def test_it_tries_again(video: VideoWorld, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    fail_first(monkeypatch, ATTEMPTS - 1, code)
    [outcome] = video.record(video.event())
    assert outcome.status == Status.RECORDED
    assert video.balance() == 99


def test_it_gives_up_after_a_few_attempts(
    video: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fail_first(monkeypatch, 100, DEADLOCK)
    with pytest.raises(DatabaseError, match="in the way"):
        video.record(video.event())
    assert next(calls) == ATTEMPTS
    assert video.balance() == 100


def test_what_no_race_has_caused_is_not_tried_again(
    video: VideoWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fail_first(monkeypatch, 100, CHECK)
    with pytest.raises(DatabaseError, match="in the way"):
        video.record(video.event())
    assert next(calls) == 1
    assert video.balance() == 100
