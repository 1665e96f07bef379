"""Measures how camera images get from one process to another: through the ring, and as plain sensor_msgs/Image.

Every way has a writer and a reader process of its own, one after the other. A frame is lost when its image did not
reach the reader, or was overwritten before the reader had looked at it. Latency runs from before the image is written
until the reader has seen that its first and last pixel are of that frame. CPU is that of both processes while images
flow.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from autodrive.errors import EnvironmentProblem, InputError
from autodrive.transport.ring import Descriptor, RingReader, RingWriter
from autodrive_nodes import messages
from autodrive_nodes.ros_domain import claim_domain

RING, PLAIN = "ring", "plain"
MATCH_TIMEOUT_S = 30.0
DRAIN_S = 1.0  # for what is still on its way when the last image is out
TOPIC = "/bench/camera_{camera}"


@dataclass(frozen=True)
class Load:
    """What is sent: ``frames`` images of each of ``cameras`` at ``rate`` [Hz], rgb8."""

    cameras: int
    width: int
    height: int
    rate: float
    frames: int


def measure(way: str, load: Load) -> dict[str, float]:
    """Run one writer and one reader in a ROS domain of their own; raises EnvironmentProblem if they do not finish."""
    domain, lock = claim_domain()
    with lock:
        found = _run_both(way, load, domain)
    latency_ms = np.array(found["latency_ns"]) / 1e6
    sent = load.cameras * load.frames
    return {
        "sent": sent,
        "lost": sent - len(latency_ms),
        "latency_p50_ms": float(np.percentile(latency_ms, 50)) if len(latency_ms) else float("nan"),
        "latency_p99_ms": float(np.percentile(latency_ms, 99)) if len(latency_ms) else float("nan"),
        "writer_cpu_s": found["writer_cpu_s"],
        "reader_cpu_s": found["reader_cpu_s"],
        "rate_reached_hz": found["rate_hz"],
    }


def _run_both(way: str, load: Load, domain: int) -> dict[str, Any]:
    """What writer and reader found out, in one dictionary."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    done = context.Event()
    reader = context.Process(target=_read, args=(way, load, domain, done, results), daemon=True)
    writer = context.Process(target=_write, args=(way, load, domain, done, results), daemon=True)
    reader.start()
    writer.start()
    try:
        found: dict[str, Any] = {}
        for _ in range(2):
            found |= results.get(timeout=2 * MATCH_TIMEOUT_S + 3 * load.frames / load.rate)
            if "failure" in found:
                raise EnvironmentProblem(f"transport benchmark ({way}): {found['failure']}")
    except queue.Empty:
        raise EnvironmentProblem(
            f"transport benchmark ({way}): a process gave no result; is the machine idle?"
        ) from None
    finally:
        for process in (writer, reader):
            process.join(timeout=5)
            process.kill()
    return found


def _profile(way: str) -> QoSProfile:
    """Descriptors are as reliable as in the driving graph, images as camera drivers publish them."""
    return QoSProfile(depth=20) if way == RING else qos_profile_sensor_data


def _node(name: str, domain: int) -> Node:
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(domain_id=domain)
    return Node(name, enable_rosout=False, start_parameter_services=False)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _write(way: str, load: Load, domain: int, done: Any, results: Any) -> None:
    node = _node("bench_writer", domain)
    kind = CompressedImage if way == RING else Image
    publishers = [node.create_publisher(kind, TOPIC.format(camera=k), _profile(way)) for k in range(load.cameras)]
    deadline = time.monotonic() + MATCH_TIMEOUT_S
    while not all(p.get_subscription_count() for p in publishers):
        if time.monotonic() > deadline:
            results.put({"failure": f"the reader was not found within {MATCH_TIMEOUT_S:.0f} s"})
            return
        time.sleep(0.05)
    rings = [RingWriter(f"bench_{k}", load.width * load.height * 3) for k in range(load.cameras)] if way == RING else []
    image = np.random.default_rng(0).integers(0, 256, (load.height, load.width, 3), np.uint8)
    cpu, start = _cpu_s(), time.monotonic()
    try:
        for frame in range(load.frames):
            time.sleep(max(0.0, start + frame / load.rate - time.monotonic()))
            image[0, 0] = image[-1, -1] = frame % 251
            for camera, publisher in enumerate(publishers):
                header = messages.header(time.monotonic_ns(), str(frame))
                if way == RING:
                    publisher.publish(CompressedImage(header=header, data=rings[camera].write(image).pack()))
                else:
                    publisher.publish(_plain(header, image))
        rate = load.frames / (time.monotonic() - start)
        results.put({"writer_cpu_s": _cpu_s() - cpu, "rate_hz": rate})
        done.set()
        time.sleep(DRAIN_S)
    finally:
        for ring in rings:
            ring.close()
        rclpy.shutdown()


def _plain(header: Any, image: NDArray[np.uint8]) -> Image:
    height, width, _ = image.shape
    message = Image(header=header, height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = image.tobytes()
    return message


def _read(way: str, load: Load, domain: int, done: Any, results: Any) -> None:
    node = _node("bench_reader", domain)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    latencies: list[int] = []
    hear = _hear_ring(latencies) if way == RING else _hear_plain(latencies)
    kind = CompressedImage if way == RING else Image
    for camera in range(load.cameras):
        node.create_subscription(kind, TOPIC.format(camera=camera), hear, _profile(way))
    cpu, end = _cpu_s(), float("inf")
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
        if done.is_set() and end == float("inf"):
            end = time.monotonic() + DRAIN_S / 2
    results.put({"reader_cpu_s": _cpu_s() - cpu, "latency_ns": latencies})
    rclpy.shutdown()


def _hear_ring(latencies: list[int]) -> Callable[[CompressedImage], None]:
    reader = RingReader()

    def hear(message: CompressedImage) -> None:
        descriptor = Descriptor.unpack(bytes(message.data))
        try:
            seen = _is_frame(reader.view(descriptor), message.header) and reader.valid(descriptor)
        except InputError:
            return  # overwritten: counts as lost
        if seen:
            latencies.append(time.monotonic_ns() - messages.stamp_ns(message.header.stamp))

    return hear


def _hear_plain(latencies: list[int]) -> Callable[[Image], None]:
    def hear(message: Image) -> None:
        image = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        if _is_frame(image, message.header):
            latencies.append(time.monotonic_ns() - messages.stamp_ns(message.header.stamp))

    return hear


def _is_frame(image: NDArray[np.uint8], header: Any) -> bool:
    return bool(image[0, 0, 0] == image[-1, -1, -1] == int(header.frame_id) % 251)
