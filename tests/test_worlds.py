"""The tools of the tests themselves: factories, worlds, and guards that can be switched off."""

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from factory.django import DjangoModelFactory

from accounts.models import Organization
from metering.outcomes import Status
from tests import factories, guarded_tables
from tests.worlds import VideoWorld, open_video_world

FACTORIES = [
    each
    for each in vars(factories).values()
    if isinstance(each, type)
    and issubclass(each, DjangoModelFactory)
    and each is not DjangoModelFactory
]
STATES = [
    (each, trait)
    for each in FACTORIES
    for trait in ["", *each._meta.parameters]
    if trait != "event"
]


@pytest.mark.parametrize(("made_by", "trait"), STATES)
def test_every_factory_makes_a_valid_row_in_each_state(
    checks_at_once: None, made_by: type[DjangoModelFactory], trait: str
) -> None:
    row = made_by.create(**({trait: True} if trait else {}))
    assert type(row).objects.filter(pk=row.pk).exists()


def test_a_world_takes_events(video: VideoWorld) -> None:
    [outcome] = video.record(video.minutes_of("standard", "5"))
    assert outcome.status == Status.RECORDED
    assert video.balance() == 98


@pytest.mark.django_db(transaction=True)
def test_the_database_can_be_emptied_although_its_tables_refuse_it() -> None:
    open_video_world()
    call_command("flush", interactive=False)
    assert not Organization.objects.exists()


@pytest.mark.django_db
def test_guards_are_back_after_they_were_off(video: VideoWorld) -> None:
    with guarded_tables.unguarded():
        pass
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_ledgerentry")


@pytest.mark.django_db
def test_guards_stay_on_outside_a_test_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "NAME", "production")
    with pytest.raises(RuntimeError, match="not a test database"), guarded_tables.unguarded():
        pytest.fail("guards were switched off")
