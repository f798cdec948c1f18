"""Crowds: many threads that all start to do something at the same moment, on real connections."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from django.db import connection


class Crowd:
    """Threads that are kept for several rounds, so that a round costs no time to gather."""

    def __init__(self, pool: ThreadPoolExecutor, size: int, *, seconds: float) -> None:
        self._pool = pool
        self._size = size
        self._seconds = seconds

    def at_once[Answer](self, do: Callable[[int], Answer]) -> list[Answer]:
        """Call `do` with 0, 1, 2 … from one thread each, all at once; returns their answers.

        The first exception any of them met is raised here.
        """
        barrier = threading.Barrier(self._size)

        def take_part(number: int) -> Answer:
            barrier.wait(timeout=60)
            try:
                return do(number)
            finally:
                connection.close()  # Back to the pool, which is smaller than the crowd.

        futures = [self._pool.submit(take_part, number) for number in range(self._size)]
        return [future.result(timeout=self._seconds) for future in futures]


@contextmanager
def crowd_of(size: int, *, seconds: float = 120) -> Iterator[Crowd]:
    """Gather a crowd for the block, whose rounds last `seconds` at most."""
    with ThreadPoolExecutor(max_workers=size) as pool:
        yield Crowd(pool, size, seconds=seconds)
