"""The fast lane: what is asked most, answered by a bare ASGI callable, without Django's cycle.

`routes` says what it takes, `requests` what has to be plain about a request, `works` what is done
for a set of requests in one transaction, and `lane` puts them together. Whatever it does not want
to decide - other content types, refused keys, malformed bodies, errors - it hands to the reference
door unchanged, body included. Both doors check, decide and render by the same functions, so an
answer is the same whichever gave it.
"""

from metering.fast_lane.lane import FastLane

__all__ = ["FastLane"]
