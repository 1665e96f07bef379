"""Watches the images of real cameras as they come in, and puts each camera's health into a diagnostics message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from autodrive.camera.health import CameraHealth, Health, HealthLimits, look
from autodrive.errors import InputError
from autodrive.transport.ring import Descriptor, RingReader
from autodrive_nodes import messages


class CameraWatch:
    """One CameraHealth per camera; ``now_ns`` is the clock of the stamps."""

    def __init__(self, names: tuple[str, ...], limits: HealthLimits, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._cameras = {name: CameraHealth(limits, now_ns()) for name in names}
        self._reader = RingReader()

    def see(self, name: str, stamp_ns: int, descriptor: Descriptor) -> None:
        """An image came; raises InputError if it is gone already or its camera is not fit to be used."""
        glance = look(self._reader.view(descriptor))
        if not self._reader.valid(descriptor):
            raise InputError(f"camera {name}: an image was overwritten while it was looked at")
        camera = self._cameras[name]
        camera.frame(stamp_ns, self._now_ns(), glance)
        if (fault := camera.fault(self._now_ns())) is not None:
            raise InputError(f"camera {name}: {fault}")

    def refuse(self, name: str, why: str) -> None:
        """An image came that cannot be used."""
        self._cameras[name].refuse(why)

    def states(self) -> dict[str, Health]:
        """The health of every camera now."""
        now_ns = self._now_ns()
        return {name: camera.state(now_ns) for name, camera in self._cameras.items()}

    def report(self, counts: dict[str, Any]) -> DiagnosticArray:
        """One status per camera, named "camera NAME"; ``counts`` of what became of the images goes with each."""
        report = DiagnosticArray(header=messages.header(self._now_ns(), ""))
        for name, state in self.states().items():
            level = bytes([state.level])
            one = messages.to_diagnostics(0, f"camera {name}", level, state.text, {**state.values, **counts})
            report.status += one.status
        return report

    def close(self) -> None:
        """Let go of the images."""
        self._reader.close()
