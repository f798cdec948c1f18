"""What callers send."""

from typing import Any

from tests.worlds import VideoWorld


def fast_minutes(video: VideoWorld, quantity: object = "1", **fields: Any) -> dict[str, Any]:
    """An event of so many minutes at 1.00 USD each."""
    return {
        "id": "event-1",
        "type": "video.rendered",
        "customer": video.customer.external_id,
        "properties": {"minutes": quantity, "speed": "fast"},
        **fields,
    }


def cloud_event(video: VideoWorld, **attributes: Any) -> dict[str, Any]:
    """The same in the CloudEvents format."""
    return {
        "specversion": "1.0",
        "id": "event-1",
        "source": "/renderers/7",
        "type": "video.rendered",
        "subject": video.customer.external_id,
        "data": {"minutes": "1", "speed": "fast"},
        **attributes,
    }
