"""Authorizations: work is let go ahead as a whole, held, captured, extended, released."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Hold
from metering import authorization_statements, authorizations, ingestion
from metering.api.authorizations import _drafts
from metering.authorizations import AuthorizationEnded, Captured, Done, Refused, Unpriced
from metering.models import Authorization, Event
from metering.outcomes import Status
from pricing.models import ShortfallPolicy
from tests.clock import NOW
from tests.worlds import VideoWorld, open_video_world

pytestmark = pytest.mark.django_db

TEN_MINUTES = dt.timedelta(minutes=10)


def test_smoke(video: VideoWorld) -> None:
    done = authorizations.authorize(
        customer=video.customer,
        drafts=[video.minutes_of("fast", "10")],
        expires_in=TEN_MINUTES,
        at=NOW,
    )
    assert done.authorization.held == {"USD": 10}
    assert done.authorization.row.quote == {"USD": "10"}
    row = done.authorization.row
    event = {**_raw(video, "7"), "authorization": str(row.id)}
    draft = video.event(**event)
    captured = authorizations.capture(authorization=row, drafts=[draft], at=NOW)
    assert captured.outcomes[0].status == Status.RECORDED
    assert captured.authorization.state == "captured"
    assert video.balance() == 93


def _raw(video: VideoWorld, minutes: str) -> dict[str, Any]:
    return {"properties": {"minutes": minutes, "speed": "fast"}}
