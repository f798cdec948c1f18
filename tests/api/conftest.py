"""A shop with a key."""

import pytest

from tests.api.callers import Caller, caller_of
from tests.worlds import VideoWorld


@pytest.fixture
def api(video: VideoWorld, checks_at_once: None) -> Caller:
    """Somebody who may do everything at the company that sells video."""
    return caller_of(video.organization)
