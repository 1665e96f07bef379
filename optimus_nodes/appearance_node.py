"""The colours of tracked objects, from the image regions in which they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from std_msgs.msg import String

from autodrive.errors import InputError
from autodrive.rig import load_rig, tilted
from autodrive.scene import EgoState
from autodrive.transport.ring import RingReader
from autodrive.vision.appearance import name_colours
from autodrive.vision.preprocess import Preprocessor
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.object_bytes import tracks_from_bytes
from autodrive_nodes.stage_node import StageNode
from optimus_nodes.task_json import colours_to_json


class AppearanceNode(StageNode):
    """frame set, odometry, tracks -> colour by track."""

    defaults = {"rig": ""}  # noqa: RUF012

    def setup(self) -> None:
        """Hear cameras and tracks."""
        self._rig = load_rig(Path(self.value("rig")))
        self._preprocess = Preprocessor(self._rig)
        self._reader = RingReader()
        self._colours = self.say(contracts.APPEARANCE)
        self.hear_together(
            {
                "tracks": (contracts.TRACKS, tracks_from_bytes),
                "frames": (contracts.FRAME_SET, frame_set.from_message),
                "ego": (contracts.ODOMETRY, messages.from_odometry),
            },
            self._step,
        )

    def _step(self, stamp_ns: int, v: dict[str, Any]) -> None:
        images = self._preprocess.network_images([self._reader.view(descriptor) for _, descriptor in v["frames"]])
        if not all(self._reader.valid(descriptor) for _, descriptor in v["frames"]):
            raise InputError("an image was overwritten while it was looked at: the vision group is too slow")
        ego: EgoState = v["ego"]
        leaning = tilted(self._rig, ego.roll, ego.pitch, ego.rise)
        colours = name_colours(images, leaning, ego.pose.inverse(), v["tracks"])
        self._colours.publish(String(data=colours_to_json(stamp_ns, colours)))
