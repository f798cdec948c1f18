"""Showing what several programs print, line by line, each with its program's name in front."""

import os
import selectors
from dataclasses import dataclass
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 31)
_WIDTH = 8


@dataclass
class _Source:
    prefix: str
    unfinished: bytes = b""


class PrefixedOutput:
    """The pipes of running programs and the stream their lines are shown on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pipes = selectors.DefaultSelector()
        self._names: list[str] = []

    def open(self, name: str) -> int:
        """Return the writing end of a new pipe, for the caller to hand on and then close."""
        reading, writing = os.pipe()
        self._pipes.register(reading, selectors.EVENT_READ, _Source(self._prefix(name)))
        return writing

    def say(self, text: str) -> None:
        """Show lines of our own."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def show(self, seconds: float) -> bool:
        """Show what arrives, for at most this long when nothing does; False when nothing did."""
        ready = self._pipes.select(seconds)
        for key, _ in ready:
            self._read(key)
        self._stream.flush()
        return bool(ready)

    def _read(self, key: selectors.SelectorKey) -> None:
        source: _Source = key.data
        arrived = os.read(key.fd, 65536)
        *lines, source.unfinished = (source.unfinished + arrived).split(b"\n")
        if not arrived:
            self._pipes.unregister(key.fd)
            os.close(key.fd)
            lines = [source.unfinished] if source.unfinished else []
        for line in lines:
            self._stream.write(f"{source.prefix}{line.decode(errors='replace')}\n")

    def _prefix(self, name: str) -> str:
        if name not in self._names:
            self._names.append(name)
        plain = f"{name:<{_WIDTH}} | "
        if not self._stream.isatty():
            return plain
        colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
        return f"\x1b[{colour}m{plain}\x1b[0m"
