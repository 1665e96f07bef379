"""Watches the images of cameras as they come in, and puts each camera's health into a diagnostics message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from autodrive.camera.health import CameraHealth, Health, HealthLimits, Level, look
from autodrive.camera.rig_health import RigHealth
from autodrive.errors import InputError
from autodrive.transport.ring import Descriptor, RingReader
from autodrive_nodes import messages

# of cameras that are rendered at 10 Hz: without noise, and none is ever dark all over
SIMULATED = HealthLimits(lost_s=0.25, blind=0.98, grain=20.0)


class CameraWatch:
    """One CameraHealth per camera; ``now_ns`` is the clock of the stamps.

    Cameras of one trigger (``rig``) are compared with each other too, and the stamps of most of them are the clock.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        limits: HealthLimits,
        now_ns: Callable[[], int] | None = None,
        rig: RigHealth | None = None,
    ) -> None:
        self._rig = rig or RigHealth(names)
        self._compared = rig is not None
        self._now_ns = now_ns or self._rig.now_ns
        self._cameras = {name: CameraHealth(limits, self._now_ns()) for name in names}
        self._reader = RingReader()

    def see(self, name: str, stamp_ns: int, descriptor: Descriptor) -> None:
        """An image came; raises InputError if it is gone already or its camera is not fit to be used."""
        glance = look(self._reader.view(descriptor))
        if not self._reader.valid(descriptor):
            raise InputError(f"camera {name}: an image was overwritten while it was looked at")
        camera = self._cameras[name]
        if self._compared:
            self._rig.frame(name, stamp_ns, glance)
        camera.frame(stamp_ns, self._now_ns(), glance)
        if (fault := camera.fault(self._now_ns()) or self._rig.fault(name)) is not None:
            raise InputError(f"camera {name}: {fault}")

    def moves(self, moving: bool) -> None:
        """Whether the body does, so that every image must differ from the one before."""
        self._rig.moving = moving

    def refuse(self, name: str, why: str) -> None:
        """An image came that cannot be used."""
        self._cameras[name].refuse(why)

    @property
    def now_ns(self) -> int:
        """The time of the stamps."""
        return self._now_ns()

    def states(self) -> dict[str, Health]:
        """The health of every camera now."""
        now_ns = self._now_ns()
        states = {name: camera.state(now_ns) for name, camera in self._cameras.items()}
        for name in states:
            if (fault := self._rig.fault(name)) is not None:
                states[name] = Health(Level.ERROR, fault, states[name].values)
        return states

    def lost(self) -> str | None:
        """A camera that others wait for, and why; None if all deliver."""
        now_ns = self._now_ns()
        faults = ((name, camera.fault(now_ns)) for name, camera in self._cameras.items())
        return next((f"camera {name}: {fault}" for name, fault in faults if fault is not None), None)

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
