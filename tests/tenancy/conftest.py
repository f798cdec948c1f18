"""Two neighbours; the first one is marked, the second one is the stranger."""

import pytest

from tests.tenancy.neighbours import OURS, THEIRS, Neighbour, marked


@pytest.fixture
def ours(db: None) -> Neighbour:
    """The organization whose every text carries a mark."""
    return marked(Neighbour(OURS))


@pytest.fixture
def theirs(db: None) -> Neighbour:
    """Another one, which calls everything the same."""
    return Neighbour(THEIRS)
