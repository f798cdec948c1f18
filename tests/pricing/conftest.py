"""Who edits plans in the admin, and the draft they edit."""

import pytest
from django.test import Client

from accounts.models import User
from pricing import publication
from pricing.models import PlanVersion
from tests.accounts.admin_worlds import signed_in
from tests.clock import NOW
from tests.factories import MembershipFactory
from tests.worlds import VideoWorld


@pytest.fixture
def owner(video: VideoWorld) -> User:
    return MembershipFactory.create(organization=video.organization).user


@pytest.fixture
def browser(owner: User) -> Client:
    return signed_in(owner)


@pytest.fixture
def draft(video: VideoWorld) -> PlanVersion:
    """The draft after the published version: the same video price, to be edited."""
    return publication.open_draft(plan=video.plan_version.plan, at=NOW)
