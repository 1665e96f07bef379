"""The humanoid's whole loop in one process, without DDS: for tests and for a quick look.

It is the graph's twin, to the byte (test_twin.py): wired as the nodes are, in lockstep, and every value passes through
the message that it travels in, for messages round.

cd test && python hall_loop.py --seed 3 --say "bring the red box to me"
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autodrive.body import WalkCommand
from autodrive.control.walking import WalkingController
from autodrive.forecast import forecast
from autodrive.geometry import Pose2
from autodrive.humanoid.arm_task import ArmStatus
from autodrive.humanoid.arms import make_arms
from autodrive.humanoid.docking import DockState, dock
from autodrive.humanoid.robot import load_robot
from autodrive.humanoid.walker import Walker
from autodrive.inference.engine import load_engine
from autodrive.language.understand import Understanding
from autodrive.localization.leg_odometry import LegOdometry
from autodrive.planning.goal_planner import GoalPlanner
from autodrive.rig import load_rig, tilted
from autodrive.safety.envelope import WalkEnvelope, load_envelope
from autodrive.safety.gate import SafetyGate
from autodrive.safety.joint_limits import JointGuard
from autodrive.safety.supervision import Supervision
from autodrive.safety.supervisor import Reaction
from autodrive.scene import EgoState, TrackedObject, Trajectory
from autodrive.sim.hall_world import HallWorld
from autodrive.sim.world import GroundTruth
from autodrive.tasks.executive import Executive, Report
from autodrive.tasks.wish import TaskState
from autodrive.vision.appearance import name_colours
from autodrive.vision.perceiver import Perceiver
from autodrive.vision.preprocess import Preprocessor
from autodrive.vision.tracker import Tracker
from autodrive_nodes import messages
from autodrive_nodes.object_bytes import forecasts_to_bytes, tracks_from_bytes, tracks_to_bytes
from autodrive_nodes.track_ages import TrackAges
from autodrive_nodes.trajectory_bytes import trajectory_from_bytes, trajectory_to_bytes
from optimus_nodes.task_json import colours_from_json, colours_to_json

ROOT = Path(__file__).resolve().parents[1]
TICKS_PER_FRAME = 5
SAY_AT_FRAME = 9  # graph.SAY_AT_S; the first frame has the stamp 0.1 s
# whose answers the gate hears of in lockstep
WATCHED = ("perception", "leg_odometry", "walk_planning", "walking_control")


@dataclass(frozen=True)
class Frame:
    """What was known and decided at one frame."""

    ego: EgoState
    tracks: tuple[TrackedObject, ...]
    task: TaskState
    plan: Trajectory
    walk: WalkCommand
    report: Report
    truth: GroundTruth
    images: tuple[np.ndarray, ...]


class HallLoop:
    """One robot in one hall; ``frame`` advances by 100 ms."""

    def __init__(self, seed: int, engine: Path | None = None, people: bool = True) -> None:
        self.rig = load_rig(ROOT / "config" / "rigs" / "humanoid.yaml")
        robot = load_robot("g1")
        self.world = HallWorld("g1", self.rig, people=people)
        self._perceiver = Perceiver(load_engine(engine or ROOT / "engines" / "vision.yaml"), self.rig)
        self._tracker, self._preprocess = Tracker(), Preprocessor(self.rig)
        self.executive = Executive(Understanding(), robot.arms)
        self.planner, self._controller = GoalPlanner(), WalkingController()
        envelope = load_envelope(ROOT / "config" / "envelopes" / "humanoid.yaml", WalkEnvelope)
        self._gate, self._supervision = SafetyGate(envelope), Supervision(WATCHED, envelope)
        self._gate_ages, self._planner_ages = TrackAges(), TrackAges()
        self._arms = make_arms(robot)
        self._walker = Walker(robot)
        self._guard = JointGuard(robot.limits(robot.floating_spec().compile()))
        self._sensors = self.world.reset(seed)
        self._odometry = LegOdometry(robot, self.world.start)
        self._status: ArmStatus | None = None
        self._dock: tuple[Pose2, DockState] | None = None

    def frame(self, texts: tuple[str, ...] = ()) -> Frame:
        """Perceive, decide, and move for five ticks."""
        ego = self._sense()
        images, stamp_ns = self._sensors.images, ego.stamp_ns
        perception = self._perceiver(images, stamp_ns, ego)
        tracks_message = tracks_to_bytes(stamp_ns, self._tracker.update(perception, ego))
        tracks = tracks_from_bytes(tracks_message)
        free = messages.from_occupancy(messages.to_occupancy(stamp_ns, perception.ground))
        markings = messages.from_markings(messages.to_markings(stamp_ns, perception.markings))
        leaning = tilted(self.rig, ego.roll, ego.pitch, ego.rise)
        colours = name_colours(self._preprocess.network_images(images), leaning, ego.pose.inverse(), tracks)
        colours = colours_from_json(colours_to_json(stamp_ns, colours))
        task = self.executive.step(ego, tracks, colours, self._status, texts)
        forecasts_message = forecasts_to_bytes(stamp_ns, forecast(tracks, ego, None, free, markings=markings))
        forecasts = self._planner_ages.forecasts(forecasts_message)
        plan = self.planner.plan(ego, forecasts, free, task.goal, carrying=task.carrying, target_ids=task.near)
        followed = trajectory_from_bytes(trajectory_to_bytes(plan))
        walk = self._allowed(ego, task, followed, self._walk(ego, task, followed), tracks_message)
        truth = self.world.ground_truth()
        for _ in range(TICKS_PER_FRAME):
            self._tick(ego, task, walk)
            if self._sensors.body.stamp_ns % 100_000_000:
                ego = self._sense()
        return Frame(ego, tracks, task, plan, walk, self.executive.report, truth, images)

    def _sense(self) -> EgoState:
        return messages.from_odometry(messages.to_odometry(self._odometry.update(self._sensors.body)))

    def _allowed(
        self, ego: EgoState, task: TaskState, plan: Trajectory, wanted: WalkCommand, tracks: bytes
    ) -> WalkCommand:
        self._supervision.plan = plan
        for stage in WATCHED:
            self._supervision.watch.beat(stage, ego.stamp_ns)
        verdict = self._supervision.judge(ego.stamp_ns, ego)
        return self._gate.filter(
            wanted,
            ego.stamp_ns,
            ego.stamp_ns,
            ego,
            self._gate_ages.tracks(tracks),
            halt=task.halt or verdict.reaction == Reaction.EMERGENCY,
            reasons=verdict.reasons,
        ).command

    def _walk(self, ego: EgoState, task: TaskState, plan: Trajectory) -> WalkCommand:
        followed = self._controller.step(plan, ego)
        if task.dock is None:
            self._dock = None
            return followed
        if self._dock is None or self._dock[0] != task.dock:
            self._dock = task.dock, DockState()
        command, state = dock(ego, task.dock, self._dock[1])
        self._dock = task.dock, state
        return command

    def _tick(self, ego: EgoState, task: TaskState, walk: WalkCommand) -> None:
        body = self._sensors.body
        arms, self._status = self._arms.step(body, ego, task.arms)
        verdict = self._guard.check(self._walker.step(body, walk, arms), body.stamp_ns)
        assert verdict.command is not None
        self._sensors = self.world.step(verdict.command)


def main() -> None:
    """Print a line per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--say", default="")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--engine", type=Path)
    args = parser.parse_args()
    loop, last = HallLoop(args.seed, args.engine), None
    for k in range(round(args.seconds * 10)):
        frame = loop.frame((args.say,) if k == SAY_AT_FRAME and args.say else ())
        true = frame.truth.ego
        if frame.report != last:
            last = frame.report
            sys.stdout.write(f"  {last.state}: {last.says} {last.mentions}\n")
        if k % 10 == 0 or frame.truth.contacts or frame.truth.fallen:
            off = np.hypot(true.x - frame.ego.pose.x, true.y - frame.ego.pose.y)
            sys.stdout.write(
                f"{k / 10:5.1f} s at ({true.x:.2f} {true.y:.2f} {true.yaw:.2f}) odometry off {off:.3f};"
                f" {frame.task.phase} [{frame.plan.reason}]"
                f" walk ({frame.walk.vx:.2f} {frame.walk.vy:.2f} {frame.walk.yaw_rate:.2f})"
                f" arms {frame.task.arms.kind} {[c.name for c in frame.truth.contacts]}\n"
            )
            sys.stdout.flush()
        if frame.truth.fallen or (last.state in ("done", "failed", "refused", "question") and args.say):
            break
    for item in loop.executive.memory.objects():
        sys.stdout.write(
            f"  {item.track_id:4d} {item.label.name:10s} ({item.x:.2f} {item.y:.2f} {item.z:.2f}) "
            f"{item.length:.2f}x{item.width:.2f}x{item.height:.2f} {item.colour} {item.colour_confidence:.2f}\n"
        )
    truth = loop.world.ground_truth()
    for name, item, colour in zip(truth.object_ids, truth.objects, truth.colours, strict=True):
        sys.stdout.write(f"  true {name:14s} ({item.x:.2f} {item.y:.2f} {item.z:.2f}) {colour}\n")


if __name__ == "__main__":
    main()
