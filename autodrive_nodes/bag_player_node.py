"""Plays a bag's cameras into the graph, one exposure at a time: the next follows when perception has answered.

The images of an exposure go out under one stamp, that of the reference camera; how far the others really were from it
is said on /diagnostics. To the supervisor it talks as the scorer does: ``PROGRESS {json}``, ``DONE {json}``.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage

from autodrive.data.bag_ego import ego_from_bag
from autodrive.data.bag_rig import image_topics
from autodrive.data.bags import BagReader
from autodrive.data.exposures import Exposure, group_exposures
from autodrive.errors import InputError
from autodrive.rig import Camera, load_rig
from autodrive_nodes import contracts, messages
from autodrive_nodes.stage_node import StageNode

ANSWER_TIMEOUT_S = 20.0
SETTLE_S = 0.5
# a stage may complain of an exposure and answer nevertheless: a slow one finds cameras missing that it has yet to read
AFTER_COMPLAINT_S, FIRST_AFTER_COMPLAINT_S = 0.5, 5.0
HOPELESS = 3  # failed exposures before any success
COMPRESSED = "sensor_msgs/msg/CompressedImage"
STAGES = ("camera_ingestion", "perception")
_STAMP = struct.Struct("<iI")  # a header's stamp, behind the four bytes of the CDR header


@dataclass
class _Tally:
    """What is reported at the end."""

    frames: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    incomplete: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    tracks: set[int] = field(default_factory=set)
    latency_ms: dict[str, list[float]] = field(default_factory=lambda: {"ingestion": [], "perception": []})
    offsets_ms: dict[str, list[float]] = field(default_factory=dict)


class BagPlayerNode(StageNode):
    """bag -> images, camera infos, static transforms, odometry and clock."""

    defaults = {"bag": "", "rig": "", "base_frame": "base_link"}  # noqa: RUF012

    def setup(self) -> None:
        """Open the bag and find the cameras of the rig in it."""
        self._rig = load_rig(Path(self.value("rig")))
        path = Path(self.value("bag"))
        found = image_topics(path)
        if missing := [c.name for c in self._rig.cameras if c.name not in found]:
            raise InputError(f"bag {path} has no camera {', '.join(missing)} of the rig; it has {sorted(found)}")
        self._topics = {found[c.name]: k for k, c in enumerate(self._rig.cameras)}
        self._ego = ego_from_bag(path, self.value("base_frame"))
        self._bag: BagReader | None = BagReader(path)
        in_bag = {t.name: t for t in self._bag.topics() if t.name in self._topics}
        reference = min(self._topics, key=lambda name: (in_bag[name].count, self._topics[name]))
        self._expected = in_bag[reference].count
        self._exposures = group_exposures(self._images(), len(self._rig.cameras), self._topics[reference])
        self._tally = _Tally()
        self._stamp_ns: int | None = None  # of the exposure that perception is at
        self._answers: set[str] = set()
        self._complaint, self._complained = "", 0.0
        self._say_all({self._rig.cameras[k].name: in_bag[name].type for name, k in self._topics.items()})
        self.hear(contracts.FRAME_SET, self._on_frames, raw=True, required=True)
        self.hear(contracts.TRACKS, self._on_tracks, required=True)
        self.hear(contracts.DETECTIONS, self._on_detections, required=True)
        self.hear(contracts.DIAGNOSTICS, self._on_diagnostics)

    def _say_all(self, types: dict[str, str]) -> None:
        c = contracts
        kinds = {name: c.IMAGE_COMPRESSED if kind == COMPRESSED else c.IMAGE for name, kind in types.items()}
        self._pictures = {name: self.say(kind, camera=name) for name, kind in kinds.items()}
        self._infos = {name: self.say(c.CAMERA_INFO, camera=name) for name in kinds}
        self._time, self._odometry, self._tf = self.say(c.CLOCK), self.say(c.ODOMETRY), self.say(c.TF_STATIC)

    def started(self) -> None:
        """Announce the rig; the first exposure follows when everybody listens."""
        self._tf.publish(TFMessage(transforms=[messages.to_camera_transform(c) for c in self._rig.cameras]))
        for camera in self._rig.cameras:
            self._infos[camera.name].publish(messages.to_camera_info(camera))
        self._heard_since: float | None = None
        self._asked = time.monotonic()
        self._timer = self.every(0.1, self._begin_when_heard)

    def shutdown(self) -> None:
        """Close the bag."""
        bag, self._bag = getattr(self, "_bag", None), None
        if bag is not None:
            bag.close()

    def _images(self) -> Iterator[tuple[int, int, Any]]:
        assert self._bag is not None
        for item in self._bag.messages(self._topics):
            stamp_ns = messages.stamp_ns(item.message.header.stamp)
            yield self._topics[item.topic], stamp_ns or item.stamp_ns, item.message

    def _begin_when_heard(self) -> None:
        """Discovery is not instant: an exposure published before all listen would be lost to some."""
        listeners = {info.node_name for info in self.get_subscriptions_info_by_topic(contracts.ODOMETRY.name)}
        silent = [name for name, p in self._pictures.items() if not p.get_subscription_count()]
        now = time.monotonic()
        if silent or "perception" not in listeners:
            self._heard_since = None
            if now - self._asked > ANSWER_TIMEOUT_S:
                self._end(f"nobody listens to camera {silent[0]}" if silent else "perception does not listen")
            return
        self._heard_since = self._heard_since or now
        if now - self._heard_since > SETTLE_S:
            self.stop(self._timer)
            self._timer = self.every(0.25, self._look_at_clock)
            self._next()

    def _next(self) -> None:
        """Publish the next complete exposure, or finish."""
        self._stamp_ns = None
        try:
            for exposure in self._exposures:
                if not exposure.missing:
                    self._publish(exposure)
                    return
                self._tally.incomplete.update(self._rig.cameras[k].name for k in exposure.missing)
        except InputError as error:
            self._end(str(error))
        self._finish()

    def _publish(self, exposure: Exposure) -> None:
        self._stamp_ns, self._asked = exposure.stamp_ns, time.monotonic()
        self._answers, self._complaint = set(), ""
        self._time.publish(Clock(clock=messages.to_time(exposure.stamp_ns)))
        self._odometry.publish(messages.to_odometry(self._ego.at(exposure.stamp_ns)))
        offsets = {}
        for camera, image, offset_ns in zip(self._rig.cameras, exposure.images, exposure.offsets_ns, strict=True):
            assert offset_ns is not None
            offsets[camera.name] = offset_ns / 1e6
            self._tally.offsets_ms.setdefault(camera.name, []).append(offset_ns / 1e6)
            self._pictures[camera.name].publish(_to_message(exposure.stamp_ns, camera, image))
        text = "offsets of the cameras from the common stamp [ms]"
        self.diagnose(exposure.stamp_ns, DiagnosticStatus.OK, text, offsets)

    def _on_frames(self, data: bytes) -> None:
        self._answered("ingestion", _STAMP.unpack_from(data, 4))

    def _on_tracks(self, message: Any) -> None:
        stamp = message.header.stamp
        if self._answered("perception", (stamp.sec, stamp.nanosec)):
            self._tally.tracks.update(track.track_id for track in messages.from_tracks(message))
            self._advance_if_answered()

    def _on_detections(self, message: Any) -> None:
        stamp = message.header.stamp
        if self._answered("detections", (stamp.sec, stamp.nanosec)):
            self._tally.objects.update(o.label.name.lower() for o in messages.from_detections(message))
            self._advance_if_answered()

    def _answered(self, stage: str, stamp: tuple[int, int]) -> bool:
        if self._stamp_ns != stamp[0] * 1_000_000_000 + stamp[1]:
            return False
        self._answers.add(stage)
        if stage in self._tally.latency_ms:
            self._tally.latency_ms[stage].append((time.monotonic() - self._asked) * 1e3)
        return True

    def _advance_if_answered(self) -> None:
        if {"perception", "detections"} <= self._answers:
            self._tally.frames += 1
            self._report_progress()
            self._next()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        if self._stamp_ns is None or messages.stamp_of(message) != self._stamp_ns:
            return
        for status in message.status:
            if status.name in STAGES and status.level == DiagnosticStatus.ERROR:
                self._complaint = self._complaint or f"{status.name}: {status.message}"
                self._complained = time.monotonic()

    def _look_at_clock(self) -> None:
        """Go on after an exposure that a stage refused; give up when a stage says nothing at all."""
        if self._stamp_ns is None:
            return
        now = time.monotonic()
        if self._complaint and now - self._complained > self._patience_s():
            self._tally.failed[self._complaint] += 1
            if not self._tally.frames and self._tally.failed.total() >= HOPELESS:
                self._end(f"{self._complaint} (the first {HOPELESS} exposures all failed)")
            self._report_progress()
            self._next()
        elif now - self._asked > ANSWER_TIMEOUT_S:
            stage = STAGES["ingestion" in self._answers]
            at = f"exposure {self._tally.frames + 1} of the bag"
            self._end(f"{stage} gave no answer to {at} within {ANSWER_TIMEOUT_S:.0f} s; see its log")

    def _patience_s(self) -> float:
        """How long after a complaint an answer may still come, by the answers so far."""
        seen_ms = self._tally.latency_ms["perception"]
        return max(AFTER_COMPLAINT_S, 3e-3 * max(seen_ms)) if seen_ms else FIRST_AFTER_COMPLAINT_S

    def _report_progress(self) -> None:
        seen = self._tally.frames + self._tally.failed.total()
        _tell("PROGRESS", {"frames": seen, "expected": self._expected, "objects": self._tally.objects.total()})

    def _finish(self) -> None:
        tally = self._tally
        incomplete = ", ".join(f"{name} {count}" for name, count in tally.incomplete.items())
        if not tally.frames:
            why = next(iter(tally.failed), f"exposures that lack a camera: {incomplete or 'there are no images'}")
            self._end(f"not one exposure of {self.value('bag')} could be perceived ({why})")
        self.stop(self._timer)
        result = {
            "frames": tally.frames,
            "frames_failed": dict(tally.failed),
            "frames_incomplete": dict(tally.incomplete),
            "cameras": {
                c.name: {"size": [c.width, c.height], "offset_ms": float(np.median(tally.offsets_ms[c.name]))}
                for c in self._rig.cameras
            },
            "odometry": self._ego.source,
            "objects": dict(sorted(tally.objects.items())),
            "tracks": len(tally.tracks),
            "latency_ms": {
                stage: {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}
                for stage, values in tally.latency_ms.items()
                if values
            },
        }
        _tell("DONE", result)

    def _end(self, why: str) -> None:
        """Nothing can follow: one line for the supervisor, and the process ends."""
        self.say_fatal(why)
        raise SystemExit(1)


def _to_message(stamp_ns: int, camera: Camera, image: Any) -> Image | CompressedImage:
    header = messages.header(stamp_ns, camera.frame_id)
    if not hasattr(image, "encoding"):
        return CompressedImage(header=header, format=image.format, data=image.data.tobytes())
    message = Image(header=header, height=image.height, width=image.width, encoding=image.encoding)
    message.is_bigendian, message.step, message.data = image.is_bigendian, image.step, image.data.tobytes()
    return message


def _tell(word: str, document: dict[str, Any]) -> None:
    sys.stdout.write(f"{word} {json.dumps(document)}\n")
    sys.stdout.flush()
