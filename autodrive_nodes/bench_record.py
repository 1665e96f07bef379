"""Measures the recorder: what it loses of a car's topics with eight raw cameras, and what it costs the loop.

The first is a load that comes by the wall clock: a writer process plays the messages of a recorded drive, frame after
frame, and fresh images through shared memory; the recorder is a process of its own, as in a run. The second is a drive
in lockstep in which the recorder records and does not, in turns.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rosgraph_msgs.msg import Clock

from autodrive.data.bags import BagBytes, BagReader
from autodrive.errors import EnvironmentProblem
from autodrive.recording.frames import Frame, gather
from autodrive.recording.salvage import repair
from autodrive.rig import Rig, load_rig
from autodrive.transport.ring import RingWriter
from autodrive_nodes import contracts, messages
from autodrive_nodes.container import make_executor
from autodrive_nodes.contracts import Topic
from autodrive_nodes.graph import Options
from autodrive_nodes.paths import RIGS, SHARE
from autodrive_nodes.recorder_node import RecorderNode
from autodrive_nodes.ros_domain import claim_domain
from autodrive_nodes.stage_node import message_type, qos
from autodrive_nodes.supervisor import run_system

DRIVE = SHARE / "test" / "references" / "brook-3"
START_S, DRAIN_S = 60.0, 2.0
BLOCK = 3  # simulated seconds
DIFFERENT = 8  # images of noise on a gradient, in turns: what a camera of a moving car sees compresses no better


@dataclass(frozen=True)
class Load:
    """``seconds`` of all cameras of ``rig`` at ``rate`` [Hz], and as many frames of a car's other topics."""

    rig: Path
    rate: float
    seconds: float


def scaled_rig(folder: Path, size: tuple[int, int]) -> Path:
    """The car's rig with images of another size [px]."""
    document = yaml.safe_load((RIGS / "car.yaml").read_text())
    for camera in document["cameras"]:
        camera["width"], camera["height"] = size
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def measure_losses(load: Load) -> dict[str, float]:
    """What a recorder process keeps of the load; raises EnvironmentProblem if a process gives no result."""
    with tempfile.TemporaryDirectory() as out:
        with _recording(load, out) as recorder:
            sent, rate = _play(load, recorder.domain)
            cpu_s = recorder.finish()
        with BagReader(Path(out) / "bag") as bag:
            kept = Counter({t.name: t.count for t in bag.topics()})
        size = sum(file.stat().st_size for file in (Path(out) / "bag").glob("*.mcap"))
        images = sum(count for name, count in sent.items() if name.endswith("image_raw"))
        return {
            "images sent": images,
            "other messages sent": sent.total() - images,
            "lost": (sent - kept).total(),
            "rate reached, Hz": rate,
            "on disk, MB/s": size / 1e6 / load.seconds,
            "recorder's CPU, s per s": cpu_s / load.seconds,
        }


@dataclass(frozen=True)
class _Recorder:
    """A recorder in a process of its own; ``done`` tells it to end, ``results`` gets the CPU that it took [s]."""

    domain: int
    process: SpawnProcess
    done: Event
    results: SimpleQueue[float]

    def finish(self) -> float:
        """Have it write all that it heard and end; the CPU that it took [s]."""
        self.done.set()
        self.process.join(START_S)
        if self.process.exitcode != 0:
            raise EnvironmentProblem(f"recorder benchmark: the recorder ended with {self.process.exitcode}")
        return self.results.get()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()


@contextmanager
def _recording(load: Load, out: str) -> Iterator[_Recorder]:
    """A recorder that is up, in a domain that nobody else uses; it is killed where it has not ended by then."""
    context = multiprocessing.get_context("spawn")
    domain, lock = claim_domain()
    up, done, results = context.Event(), context.Event(), context.SimpleQueue()
    with lock:
        process = context.Process(target=_record, args=(load, domain, out, up, done, results), daemon=True)
        recorder = _Recorder(domain, process, done, results)
        process.start()
        try:
            if not up.wait(START_S):
                raise EnvironmentProblem("recorder benchmark: the recorder did not come up")
            yield recorder
        finally:
            recorder.kill()


def _record(load: Load, domain: int, out: str, up: Any, done: Any, results: Any) -> None:
    rclpy.init(domain_id=domain)
    # the drive is played in a circle, and its end brakes hard: no moment for a recorder of a real one
    node = RecorderNode("recorder", {"rig": str(load.rig), "out": out, "images": "raw", "triggers": [""]})
    node.trigger_configure()
    node.trigger_activate()
    executor = make_executor()
    executor.add_node(node)
    up.set()
    cpu, end = 0.0, float("inf")
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
        cpu = cpu or _cpu_s()  # what starting costs is not recording
        if done.is_set() and end == float("inf"):
            end = time.monotonic() + DRAIN_S
    node.shutdown()
    results.put(_cpu_s() - cpu)
    rclpy.try_shutdown()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _play(load: Load, domain: int) -> tuple[Counter[str], float]:
    """What was sent by topic, and the rate reached [Hz]."""
    with _playing(load, domain) as player:
        count, began = round(load.seconds * load.rate), time.monotonic()
        for k in range(count):
            time.sleep(max(began + k / load.rate - time.monotonic(), 0.0))
            player.play(k)
        return player.sent, count / (time.monotonic() - began)


@contextmanager
def _playing(load: Load, domain: int) -> Iterator[_Player]:
    """A player whom a recorder hears already."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("load", context=context, enable_rosout=False, start_parameter_services=False)
    rig = load_rig(load.rig)
    rings = {c.name: RingWriter(f"load_{c.name}", c.width * c.height * 3) for c in rig.cameras}
    try:
        player = _Player(node, rig, rings, _frames())
        player.wait()
        yield player
    finally:
        for ring in rings.values():
            ring.close()
        node.destroy_node()
        rclpy.shutdown(context=context)


def measure_kills(rig: Path, times: int, rate: float = 10.0) -> dict[str, float]:
    """How much is lost of what was sent to a recorder that is killed (SIGKILL) at random moments, after a repair."""
    random, lost_s, kept = np.random.default_rng(0), [], 0
    for _ in range(times):
        load = Load(rig, rate, float(random.uniform(1.0, 4.0)))
        with tempfile.TemporaryDirectory() as out:
            last_ns = _kill_while_recording(load, out)
            found = repair(Path(out) / "bag")
            with BagReader(Path(out) / "bag") as bag:
                kept += sum(1 for _ in bag.serialized())
            lost_s.append((last_ns - found.last_ns) * 1e-9)
    return {
        "times killed": times,
        "bags readable after repair": len(lost_s),
        "messages kept": kept,
        "lost at most, s": max(lost_s),
        "lost, median, s": statistics.median(lost_s),
    }


def _kill_while_recording(load: Load, out: str) -> int:
    """The stamp of the last frame that was sent before the kill [ns of the load's clock, which runs by the wall]."""
    with _recording(load, out) as recorder, _playing(load, recorder.domain) as player:
        k, began = -1, time.monotonic()
        while time.monotonic() - began < load.seconds:
            k += 1
            player.play(k)
            time.sleep(max(began + (k + 1) / load.rate - time.monotonic(), 0.0))
        recorder.kill()
    return stamp_of_frame(k)


def stamp_of_frame(k: int) -> int:
    """Of frame ``k`` of the load [ns]."""
    return (k + 1) * 100_000_000


def _frames() -> list[Frame]:
    """A car's topics, frame by frame, without its clock: we have our own."""
    with BagReader(DRIVE) as bag:
        latched = {t.name for t in contracts.TOPICS if t.latched}
        names = [t.name for t in bag.topics() if t.name not in latched and t.name != contracts.CLOCK.name]
        return list(gather(bag.serialized(names), (), (), 1, 2**62))


class _Player:
    """Publishes frame ``k``: its clock, what a car says, and one image of each camera."""

    def __init__(self, node: Any, rig: Rig, rings: dict[str, RingWriter], frames: list[Frame]) -> None:
        def say(topic: Topic, name: str) -> Any:
            return node.create_publisher(message_type(topic.type), name, qos(topic, 1000))

        self._frames, self._rings = frames, rings
        self._clock = say(contracts.CLOCK, contracts.CLOCK.name)
        kinds = {item.topic: item.type for frame in frames for item in frame.inputs}
        self._topics = {name: say(Topic(name, kind, "load"), name) for name, kind in kinds.items()}
        shm = contracts.IMAGE_SHM
        self._cameras = {c.name: say(shm, shm.name.format(camera=c.name)) for c in rig.cameras}
        self._images = _images(rig.cameras[0].width, rig.cameras[0].height)
        self.sent: Counter[str] = Counter()

    def wait(self) -> None:
        """Until the recorder hears everything."""
        publishers, deadline = (
            [self._clock, *self._topics.values(), *self._cameras.values()],
            time.monotonic() + START_S,
        )
        while not all(p.get_subscription_count() for p in publishers):
            if time.monotonic() > deadline:
                raise EnvironmentProblem("recorder benchmark: the recorder does not hear every topic")
            time.sleep(0.05)
        time.sleep(0.5)

    def play(self, k: int) -> None:
        stamp_ns = stamp_of_frame(k)
        self._clock.publish(Clock(clock=messages.to_time(stamp_ns)))
        self.sent[contracts.CLOCK.name] += 1
        for name, publisher in self._cameras.items():
            descriptor = self._rings[name].write(self._images[k % DIFFERENT])
            publisher.publish(messages.to_shared_image(stamp_ns, f"camera/{name}_optical", descriptor))
            self.sent[contracts.IMAGE.name.format(camera=name)] += 1
        for item in self._frames[k % len(self._frames)].inputs:
            self._say(item)

    def _say(self, item: BagBytes) -> None:
        self._topics[item.topic].publish(item.data)
        self.sent[item.topic] += 1


def _images(width: int, height: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    random = np.random.default_rng(0)
    ramp = np.linspace(40, 200, width)[None, :, None] * np.linspace(0.6, 1.0, height)[:, None, None]
    noisy = [ramp + random.normal(0.0, 2.0, (height, width, 3)) for _ in range(DIFFERENT)]
    return [np.clip(image, 0, 255).astype(np.uint8) for image in noisy]


def measure_loop(rig: Path, duration_s: float) -> dict[str, float]:
    """What a simulated second of a drive takes by the wall clock [s] without recording and while it records.

    Both in one drive, in turns of ``BLOCK`` simulated seconds, so that both suffer from the same other work on the
    machine. The first second after each change is left out.
    """
    domain, lock = claim_domain()
    lock.close()  # the drive claims it by its name
    before = os.environ.get("ROS_DOMAIN_ID")
    os.environ["ROS_DOMAIN_ID"] = str(domain)  # of the drive, too
    try:
        with tempfile.TemporaryDirectory() as out, closing(_Switch(domain)) as switch:
            options = Options(seed=101, duration_s=duration_s, rig=str(rig), out=out, video=False, record_images="raw")
            run_system(options, switch.on_progress)
            return switch.result()
    finally:
        del os.environ["ROS_DOMAIN_ID"]
        if before is not None:
            os.environ["ROS_DOMAIN_ID"] = before


class _Switch:
    """Has the recorder record and not, in turns, as simulated seconds go by."""

    def __init__(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("bench", context=self._context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._client: Client = self._node.create_client(ChangeState, "/recorder/change_state")
        self._blocks: list[list[float]] = [[]]  # wall clock of simulated seconds; even ones record
        self._last: float | None = None

    def on_progress(self, _: dict[str, Any]) -> None:
        """A simulated second is over."""
        now = time.monotonic()
        if self._last is not None:
            self._blocks[-1].append(now - self._last)
        if len(self._blocks[-1]) == BLOCK:
            records = len(self._blocks) % 2 == 0
            self._set(Transition.TRANSITION_ACTIVATE if records else Transition.TRANSITION_DEACTIVATE)
            self._blocks.append([])
        self._last = time.monotonic()

    def _set(self, transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        future = self._client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=START_S)
        if not (future.done() and (answer := future.result()) is not None and answer.success):
            raise EnvironmentProblem("recorder benchmark: the recorder does not change its state")

    def result(self) -> dict[str, float]:
        """Each block that records beside the mean of those before and after it."""
        whole = [statistics.mean(block[1:]) for block in self._blocks if len(block) == BLOCK]
        pairs = [(whole[k], (whole[k - 1] + whole[k + 1]) / 2) for k in range(2, len(whole) - 1, 2)]
        if not pairs:
            raise EnvironmentProblem("recorder benchmark: the drive was too short for two changes; see --drive")
        ratios = [(recording / without - 1.0) * 100.0 for recording, without in pairs]
        return {
            "second without recorder, s": statistics.median(without for _, without in pairs),
            "second with recorder, s": statistics.median(recording for recording, _ in pairs),
            "slower by, %, median": statistics.median(ratios),
            "slower by, %, least": min(ratios),
            "slower by, %, most": max(ratios),
            "pairs": len(ratios),
        }

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
