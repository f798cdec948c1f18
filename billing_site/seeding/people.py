"""Who uses the demo's products, and how much: customers with habits of their own."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

type Draft = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """A customer, the plan they are on and what they usually do; amounts in the plan's asset."""

    external_id: str
    name: str
    email: str
    time_zone: str
    plan: str
    events_per_day: int
    top_up: int
    warn_below: int
    make: Callable[[random.Random], tuple[str, Draft]]


def _completion(*, large: float, scale: int) -> Callable[[random.Random], tuple[str, Draft]]:
    def make(chance: random.Random) -> tuple[str, Draft]:
        model = "lumen-large" if chance.random() < large else "lumen-small"
        if chance.random() < 0.12:  # noqa: PLR2004
            return "image", {"quality": chance.choice(["high", "standard", "standard"])}
        return "completion", {
            "model": model,
            "input_tokens": chance.randint(scale, scale * 12),
            "output_tokens": chance.randint(scale // 8, scale * 2),
            "team": chance.choice(["research", "support", "growth"]),
        }

    return make


def _render(chance: random.Random) -> tuple[str, Draft]:
    return "render", {
        "seconds": chance.randint(4, 60),
        "speed": chance.choice(["fast", "relaxed", "relaxed"]),
    }


LUMEN_CUSTOMERS = (
    Habit(external_id="northwind", name="Northwind Robotics", email="billing@northwind.example",
          time_zone="America/New_York", plan="prepaid", events_per_day=34, top_up=60,
          warn_below=15, make=_completion(large=0.5, scale=5000)),
    Habit(external_id="halcyon", name="Halcyon Health", email="accounts@halcyon.example",
          time_zone="Europe/Berlin", plan="prepaid", events_per_day=20, top_up=25,
          warn_below=8, make=_completion(large=0.2, scale=4000)),
    Habit(external_id="papercut-legal", name="Papercut Legal", email="office@papercut.example",
          time_zone="Europe/London", plan="prepaid", events_per_day=14, top_up=40,
          warn_below=10, make=_completion(large=0.9, scale=9000)),
    Habit(external_id="tidewater", name="Tidewater Studio", email="hello@tidewater.example",
          time_zone="Australia/Sydney", plan="prepaid", events_per_day=8, top_up=10,
          warn_below=3, make=_completion(large=0.1, scale=1500)),
    Habit(external_id="meridian", name="Meridian Logistics", email="finance@meridian.example",
          time_zone="Asia/Singapore", plan="enterprise", events_per_day=40, top_up=0,
          warn_below=0, make=_completion(large=0.6, scale=8000)),
)  # fmt: skip

KESTREL_CUSTOMERS = (
    Habit(external_id="northwind", name="Northwind Films", email="post@northwindfilms.example",
          time_zone="America/Los_Angeles", plan="studio", events_per_day=10, top_up=5000,
          warn_below=800, make=_render),
    Habit(external_id="oriel", name="Oriel Animation", email="studio@oriel.example",
          time_zone="Asia/Tokyo", plan="studio", events_per_day=6, top_up=3000,
          warn_below=500, make=_render),
)  # fmt: skip


def draft(habit: Habit, chance: random.Random, *, timestamp: str) -> Draft:
    """Return one event as the integrator's server would send it."""
    event_type, properties = habit.make(chance)
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "type": event_type,
        "customer": habit.external_id,
        "timestamp": timestamp,
        "properties": properties,
    }
