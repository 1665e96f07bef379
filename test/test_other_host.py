"""Cameras on another host: descriptors of a memory that is not here are passed over, and plain images come through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from graph_bench import GraphBench
from sensor_msgs.msg import CompressedImage

from autodrive.rig import load_rig
from autodrive.transport.ring import RingReader, RingWriter
from autodrive_nodes import contracts, frame_set, messages
from autodrive_nodes.camera_ingestion_node import CameraIngestionNode

RIG = Path(__file__).parent.parent / "config" / "rigs" / "humanoid.yaml"


def test_images_of_another_host_come_by_plain_dds() -> None:
    rig = load_rig(RIG)
    image = np.random.default_rng(0).integers(0, 256, (160, 320, 3), np.uint8)
    ring = RingWriter("other_host", image.nbytes)
    elsewhere = replace(ring.write(image), generation=1)
    with GraphBench() as bench:
        bench.up(CameraIngestionNode("camera_ingestion", {"rig": str(RIG), "source": "auto", "mode": "realtime"}))
        sets = bench.listen(contracts.FRAME_SET)
        for camera in rig.cameras:
            shm = CompressedImage(header=messages.header(5, camera.frame_id), data=elsewhere.pack())
            bench.publish(contracts.IMAGE_SHM, shm, camera=camera.name)
        bench.settle()
        assert not sets
        for camera in rig.cameras:
            bench.publish(contracts.IMAGE, messages.to_image(5, camera, image), camera=camera.name)
        bench.spin(lambda: bool(sets))
        for _, descriptor in frame_set.from_message(sets[0]):
            np.testing.assert_array_equal(RingReader().view(descriptor), image)
    ring.close()
