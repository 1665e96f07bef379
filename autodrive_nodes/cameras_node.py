"""Real cameras and recorded ones: reads each in a thread of its own and publishes what the simulator would."""

from __future__ import annotations

import json
import queue
import sys
import time
from pathlib import Path

from tf2_msgs.msg import TFMessage

from autodrive.camera.feed import CameraFeed
from autodrive.camera.frame import Frame
from autodrive.camera.setup_file import CameraSetup, read_camera_setup
from autodrive.camera.source import Clocks, Source, open_source
from autodrive.errors import ConfigError
from autodrive.rig import load_rig
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode

LOOK_EVERY_S = 0.1
LAST_IMAGES_S = 0.5  # after the end of the recordings, for those who still work on them


class CamerasNode(StageNode):
    """the sources of the file ``cameras`` -> images of the cameras of ``rig``, their CameraInfo and transforms."""

    defaults = {"rig": "", "cameras": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Open every source: what is not there is refused here."""
        self._rig = load_rig(Path(self.value("rig")))
        if not self.value("cameras"):
            raise ConfigError(
                "cameras: parameter cameras is empty; name the camera setup file (docs/camera_sources.md)"
            )
        self._chosen: CameraSetup = read_camera_setup(Path(self.value("cameras")), self._rig)
        if not self._chosen.sources:
            raise ConfigError(f"camera setup {self.value('cameras')}: sources is missing")
        c = contracts
        self._complaints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._rings = {k.name: RingWriter(f"camera_{k.name}", k.width * k.height * 3) for k in self._rig.cameras}
        self._tf = self.say(c.TF_STATIC)
        self._infos = {k.name: self.say(c.CAMERA_INFO, camera=k.name) for k in self._rig.cameras}
        self._plain = {k.name: self.say(c.IMAGE, camera=k.name) for k in self._rig.cameras}
        self._shm = {k.name: self.say(c.IMAGE_SHM, camera=k.name) for k in self._rig.cameras}
        self._sent = dict.fromkeys(self._shm, 0)
        self._feed = CameraFeed(self._open_all(), self._open, self._publish, self._complain, self._now_ns)

    def started(self) -> None:
        """Say what the cameras are; images follow when everybody listens."""
        self._tf.publish(TFMessage(transforms=[messages.to_camera_transform(k) for k in self._rig.cameras]))
        for camera in self._rig.cameras:
            self._infos[camera.name].publish(messages.to_camera_info(camera))
        self._waiting = self.every(LOOK_EVERY_S, self._begin_when_heard)

    def shutdown(self) -> None:
        """Give the cameras back and remove the rings."""
        if (feed := getattr(self, "_feed", None)) is not None:
            del self._feed
            feed.close()
        for ring in getattr(self, "_rings", {}).values():
            ring.close()
        self._rings = {}

    def _begin_when_heard(self) -> None:
        """Discovery is not instant: an image published before all listen would be lost to some."""
        if all(publisher.get_subscription_count() for publisher in self._shm.values()):
            self.stop(self._waiting)
            self._feed.start()
            self._over_since: float | None = None
            self.every(LOOK_EVERY_S, self._look_after)

    def _look_after(self) -> None:
        while not self._complaints.empty():
            self.report_failure(self._complaints.get(), self._now_ns())
        if self._feed.playing or self._over_since == 0.0:
            return
        self._over_since = self._over_since or time.monotonic()
        if time.monotonic() - self._over_since > LAST_IMAGES_S:
            self._over_since = 0.0  # it is said once
            sys.stdout.write(f"DONE {json.dumps({'end': 'the recordings are over', 'images': self._sent})}\n")
            sys.stdout.flush()

    def _open_all(self) -> dict[str, Source]:
        opened: dict[str, Source] = {}
        try:
            for name in self._chosen.sources:
                opened[name] = self._open(name)
        except Exception:
            for source in opened.values():
                source.close()
            raise
        return opened

    def _open(self, name: str) -> Source:
        clocks = Clocks(self._now_ns, time.monotonic_ns)
        return open_source(self._chosen.sources[name], self._rig.camera(name), self._chosen.limits.rate_hz, clocks)

    def _publish(self, name: str, frame: Frame) -> None:
        """In the thread of the camera, which alone uses its ring and its publishers."""
        camera = self._rig.camera(name)
        height, width = frame.image.shape[:2]
        if (width, height) != (camera.width, camera.height):
            size = f"{width}x{height}, the rig file says {camera.width}x{camera.height}"
            self._complain(name, f"camera {name!r} ({self._chosen.sources[name]}): image is {size}")
            return
        descriptor = self._rings[name].write(frame.image)
        self._shm[name].publish(messages.to_shared_image(frame.stamp_ns, camera.frame_id, descriptor))
        if self._plain[name].get_subscription_count():
            self._plain[name].publish(messages.to_image(frame.stamp_ns, camera, frame.image))
        self._sent[name] += 1

    def _complain(self, name: str, text: str) -> None:
        self._complaints.put(text)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)
