"""What a broken link does to a stream of messages: each fault takes in messages and says what comes out, and when."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from autodrive.errors import ConfigError

T = TypeVar("T")


class Stream(Protocol[T]):
    """Times are seconds of any steady clock."""

    def push(self, message: T, now_s: float) -> list[T]:
        """What goes out at once because this came in."""

    def due(self, now_s: float) -> list[T]:
        """What goes out now because time has passed."""


class Silent(Generic[T]):
    """Nothing comes through."""

    def push(self, message: T, now_s: float) -> list[T]:
        """Nothing."""
        return []

    def due(self, now_s: float) -> list[T]:
        """Nothing."""
        return []


class Duplicated(Generic[T]):
    """Every message comes ``times`` times."""

    def __init__(self, times: int = 3) -> None:
        if times < 2:
            raise ConfigError(f"a message is duplicated at least twice, got {times}")
        self._times = times

    def push(self, message: T, now_s: float) -> list[T]:
        """The message and its copies."""
        return [message] * self._times

    def due(self, now_s: float) -> list[T]:
        """Nothing."""
        return []


class Reordered(Generic[T]):
    """Messages come in groups of ``group``, the last one first."""

    def __init__(self, group: int = 3) -> None:
        if group < 2:
            raise ConfigError(f"a group to reorder has at least two messages, got {group}")
        self._group = group
        self._held: list[T] = []

    def push(self, message: T, now_s: float) -> list[T]:
        """A whole group, backwards, once it is complete."""
        self._held.append(message)
        if len(self._held) < self._group:
            return []
        held, self._held = self._held, []
        return held[::-1]

    def due(self, now_s: float) -> list[T]:
        """Nothing."""
        return []


class Delayed(Generic[T]):
    """Every message comes ``seconds`` later."""

    def __init__(self, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigError(f"a delay must be positive, got {seconds} s")
        self._seconds = seconds
        self._held: deque[tuple[float, T]] = deque()

    def push(self, message: T, now_s: float) -> list[T]:
        """What is due by now."""
        self._held.append((now_s + self._seconds, message))
        return self.due(now_s)

    def due(self, now_s: float) -> list[T]:
        """What is due by now, oldest first."""
        out = []
        while self._held and self._held[0][0] <= now_s:
            out.append(self._held.popleft()[1])
        return out


class Flood(Generic[T]):
    """The newest message comes ``rate_hz`` times a second, at most ``burst`` at once, and besides as it would."""

    def __init__(self, rate_hz: float = 500.0, burst: int = 50) -> None:
        if not rate_hz > 0:
            raise ConfigError(f"a flood needs a positive rate, got {rate_hz} Hz")
        self._rate_hz, self._burst = rate_hz, burst
        self._newest: tuple[T, float] | None = None

    def push(self, message: T, now_s: float) -> list[T]:
        """The message itself; what is due is told from its time on."""
        self._newest = message, now_s if self._newest is None else self._newest[1]
        return [message]

    def due(self, now_s: float) -> list[T]:
        """As many copies as the time since the last call asks for."""
        if self._newest is None:
            return []
        message, since_s = self._newest
        count = int((now_s - since_s) * self._rate_hz)
        if count <= 0:
            return []
        self._newest = message, now_s
        return [message] * min(count, self._burst)
