"""Standing events: those that were not voided. Whoever reads events as facts reads only these."""

STANDING = """
NOT EXISTS (
    SELECT FROM metering_eventvoid void
    WHERE void.organization_id = event.organization_id AND void.event_key = event.key
)
"""
"""Of `metering_event event`, in SQL; in Python it is `Event.objects.standing()`."""
