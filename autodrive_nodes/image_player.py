"""Gives recorded images to ingestion as a camera would: raw ones through shared memory, compressed ones as they are.

Raw images over DDS, eight at a time, do not fit its buffers: what is lost is sent again seconds later.
"""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CompressedImage

from autodrive.data.bags import BagBytes, BagReader
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.contracts import Topic
from autodrive_nodes.image_messages import from_image
from autodrive_nodes.stage_node import StageNode


class ImagePlayer:
    """Publishes for ``node`` the images of ``bag`` on ``topics``."""

    def __init__(self, node: StageNode, bag: BagReader, topics: dict[str, Topic]) -> None:
        self._bag = bag
        self._rings: dict[str, RingWriter] = {}
        self._raw = {name for name, topic in topics.items() if topic.type == contracts.IMAGE.type}
        self.publishers: dict[str, Any] = {}
        for name, topic in topics.items():
            shared = Topic(f"{name}/shm", contracts.IMAGE_SHM.type, topic.owner)
            self.publishers[name] = node.say(shared if name in self._raw else topic)

    def play(self, item: BagBytes) -> None:
        """Publish one image; raises InputError for one that cannot be read."""
        self.publishers[item.topic].publish(self._shared(item) if item.topic in self._raw else item.data)

    def close(self) -> None:
        """Remove the shared memory."""
        for ring in self._rings.values():
            ring.close()
        self._rings = {}

    def _shared(self, item: BagBytes) -> CompressedImage:
        message = self._bag.decode(item)
        image = from_image(message, item.topic)
        if item.topic not in self._rings:
            name = item.topic.removesuffix("/image_raw").rpartition("/")[2]
            self._rings[item.topic] = RingWriter(f"replay_{name}", image.nbytes)
        descriptor = self._rings[item.topic].write(image)
        stamp_ns = messages.stamp_ns(message.header.stamp)
        return messages.to_shared_image(stamp_ns, message.header.frame_id, descriptor)
