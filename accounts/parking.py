"""Parking: one that cannot be served waits, and does not stop the others."""

from collections.abc import Callable, Iterable


def serve_each[Item](items: Iterable[Item], serve: Callable[[Item], int]) -> int:
    """Call `serve` with each item and return the sum of what it returned.

    An item it fails on is passed over, so that whoever comes after it is still served. Raises an
    ExceptionGroup of all that went wrong, after the last item.
    """
    served = 0
    failures = []
    for item in items:
        try:
            served += serve(item)
        except Exception as error:  # noqa: BLE001  Raised below, with the others.
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} could not be served; {served} done", failures)
    return served
