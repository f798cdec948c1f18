"""Integrators that do what the documentation tells them: send again until there is an answer."""

import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from random import Random
from typing import Any

from tests.running_product import RunningProduct

type Answer = tuple[int, Any]

_SERVER_ERROR = 500
_SECONDS_BEFORE_GIVING_UP = 120


@dataclass
class Log:
    """What the integrators saw."""

    acknowledged: dict[str, Any] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    retries: int = 0
    answers_lost: int = 0
    violations: list[str] = field(default_factory=list)


class Clients:
    """Threads that send events, each under its own ids, until they are told to finish."""

    def __init__(self, product: RunningProduct, *, seed: int, count: int) -> None:
        self._product = product
        self._seed = seed
        self._path = product.facts["curl"]["path"]
        self._sample = product.facts["curl"]["body"]
        self._finish = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(count)
        ]
        self.log = Log()

    def start(self) -> None:
        """Start sending."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> Log:
        """Let everybody get the answer they wait for, and return what they saw."""
        self._finish.set()
        for thread in self._threads:
            thread.join(_SECONDS_BEFORE_GIVING_UP + 30)
        return self.log

    def _work(self, number: int) -> None:
        random = Random(self._seed + number)
        sent = 0
        while not self._finish.is_set():
            sent += 1
            event = {**self._sample, "id": f"chaos-{self._seed}-{number}-{sent}"}
            self._send_until_answered(event)
            if random.random() < 0.2:
                self._send_again(event)
            time.sleep(random.uniform(0, 0.03))

    def _send_until_answered(self, event: dict[str, Any]) -> None:
        deadline = time.monotonic() + _SECONDS_BEFORE_GIVING_UP
        attempts = 0
        while (answer := self._send(event)) is None and time.monotonic() < deadline:
            attempts += 1
            time.sleep(0.1)
        with self._lock:
            self.log.retries += attempts
            self._note(event["id"], answer, retried=attempts > 0)

    def _note(self, event_id: str, answer: Answer | None, *, retried: bool) -> None:
        match answer:
            case None:
                self.log.unanswered.add(event_id)
            case (201, outcome):
                self.log.acknowledged[event_id] = outcome["charges"]
            case (200, outcome) if retried:
                self.log.acknowledged[event_id] = outcome["charges"]
                self.log.answers_lost += 1
            case (402, _):
                self.log.blocked.add(event_id)
            case (status, outcome):
                self.log.violations.append(f"{event_id}, new, was answered {status}: {outcome}")

    def _send_again(self, event: dict[str, Any]) -> None:
        charges = self.log.acknowledged.get(event["id"])
        answer = self._send(event) if charges is not None else None
        if answer is None:
            return
        status, outcome = answer
        if status != 200 or outcome["charges"] != charges:
            with self._lock:
                self.log.violations.append(f"{event['id']}, sent again, was answered {answer}")

    def _send(self, event: dict[str, Any]) -> Answer | None:
        """Send once; None means that nobody knows what became of it."""
        try:
            answer = self._product.request("POST", self._path, event)
        except (OSError, HTTPException):
            return None
        return None if answer[0] >= _SERVER_ERROR else answer
