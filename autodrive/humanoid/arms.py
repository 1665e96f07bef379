"""Control of both arms: a task, the measured body and odometry in; joint targets and feed-forward torques out.

One call per tick of 20 ms. The behaviours (reach.py, pick.py, grasp.py, place.py) say where the hands go; this loop
moves commanded hand poses there at limited speed, solves the inverse kinematics, limits joint speed, and adds the
torques that carry the arms' weight and press on what is held. It senses touch by the torque that its own motors need.
"""

from __future__ import annotations

import mujoco
import numpy as np

from autodrive.body import ArmCommand, BodyState
from autodrive.geometry import Array
from autodrive.humanoid.arm_model import ArmModel, PalmPose, Posture
from autodrive.humanoid.arm_task import ArmStatus, ArmTask
from autodrive.humanoid.grasp import Carried, Hold, Stop
from autodrive.humanoid.kinematics import ArmKinematics
from autodrive.humanoid.motion import TICK_S, Behaviour, Motion, Sense
from autodrive.humanoid.pick import Pick
from autodrive.humanoid.place import Place
from autodrive.humanoid.reach import Reach, Ready, Rest
from autodrive.humanoid.robot import Robot
from autodrive.scene import EgoState

_MAX_JOINT_SPEED = 2.0  # rad/s
_REST_JOINT_SPEED = 1.0
_TURN_RATE = 2.0  # rad/s of the commanded palm poses
_GRIP_RATE = 60.0  # N/s
_SMOOTHING_S = 0.08  # of the force estimate
_BEAR_RATE = 60.0  # N/s per metre of sag
_MAX_BEAR_N = 6.0
_STILL_MPS, _STILL_RADPS = 0.06, 0.15
_ARRIVED_M, _ARRIVED_RAD = 0.003, 0.03


def make_arms(robot: Robot) -> Arms:
    """The arms of a robot from config/robots and config/arms."""
    order = [robot.joints.index(name) for name in robot.arms.joints]
    model = ArmModel(robot.floating_spec(), robot.arms)
    return Arms(model, robot.kp[order], robot.kd[order], robot.nominal[order])


class Arms:
    """The arms of one robot.

    ``kp``, ``kd`` (A,) are the gains of the arm joints' controllers, ``rest`` (A,) the walking policy's own arm pose;
    A = arm joints in the order of ``model.arms.joints``.
    """

    def __init__(self, model: ArmModel, kp: Array, kd: Array, rest: Array) -> None:
        self._model, self._kp, self._kd, self._rest = model, kp, kd, rest
        self._kinematics = ArmKinematics(model)
        self._behaviour: Behaviour | None = None
        self._task: tuple[int, str] | None = None
        self._carried: Carried | None = None
        self._forget()

    def _forget(self) -> None:
        self._joints: Array | None = None  # commanded arm positions (A,); None while the walking policy has the arms
        self._effort = np.zeros(len(self._rest))
        self._cursors: list[PalmPose | None] = [None, None]
        self._motion: Motion | None = None  # of the last tick, if it belongs to the present behaviour
        self._wrench = np.zeros((2, 6))
        self._grip_n = 0.0
        self._bear_n = np.zeros(2)  # lifting force of each hand

    def step(self, body: BodyState, ego: EgoState, task: ArmTask) -> tuple[ArmCommand, ArmStatus]:
        """One tick of 20 ms."""
        posture = self._model.update(body)
        self._feel(posture)
        sense = self._sense(posture, ego)
        if self._behaviour is None or self._task != (task.task_id, task.kind):
            self._task, self._motion = (task.task_id, task.kind), None
            sense = self._sense(posture, ego)
            self._behaviour = self._begin(sense, task)
        motion = self._motion
        if motion is None or not motion.failed:  # what has failed stays so until there is another task
            motion = self._behaviour.step(sense, task)
        if isinstance(self._behaviour, Pick | Hold | Place | Stop):
            self._carried = self._behaviour.carried
        command = self._move(body.stamp_ns, posture, motion)
        self._motion = motion
        push = (sense.push(0), sense.push(1))
        holding = self._carried is not None and not motion.phase.startswith(("close", "squeeze"))
        error = _error(posture, motion.palms)
        status = ArmStatus(
            body.stamp_ns,
            task.task_id,
            task.kind,
            motion.phase,
            motion.done,
            motion.note,
            motion.failed,
            holding,
            error,
            push,
            float(self._bear_n.sum()),
        )
        return command, status

    def _begin(self, sense: Sense, task: ArmTask) -> Behaviour:
        carried = self._carried
        if task.kind == "stop":
            return Stop(carried, self._grip_n)
        if carried is not None:
            if task.kind == "hold":
                return Hold(sense, carried)
            if task.kind == "place":
                return Place(sense, carried)
            return Refuse("a box is held: place it first", self._grip_n)
        match task.kind:
            case "ready":
                return Ready()
            case "reach" | "touch":
                return Reach(sense, task, touch=task.kind == "touch")
            case "pick":
                return Pick(sense, task)
            case "hold" | "place":
                return Refuse("nothing is held", 0.0)
        return Rest(sense, self._rest)

    def _feel(self, posture: Posture) -> None:
        """Update the smoothed force estimate: motors must have made up for what gravity and friction do not explain."""
        if self._joints is None:
            self._wrench = np.zeros((2, 6))
            return
        torque = self._kp * (self._joints - posture.position) - self._kd * posture.velocity + self._effort
        torque = np.clip(torque, -self._model.torque_limit, self._model.torque_limit)
        self._wrench += (self._model.wrench(posture, torque) - self._wrench) * TICK_S / (_SMOOTHING_S + TICK_S)

    def _sense(self, posture: Posture, ego: EgoState) -> Sense:
        motion = self._motion
        still = np.hypot(ego.speed, ego.lateral_speed) < _STILL_MPS and abs(ego.yaw_rate) < _STILL_RADPS
        return Sense(
            time_s=ego.stamp_ns * 1e-9,
            config=self._model.arms,
            body=ego.pose,
            still=bool(still),
            posture=posture,
            wrench=self._wrench,
            commanded=(self._cursors[0], self._cursors[1]),
            goal_error_m=0.0 if motion is None else _error(posture, motion.palms),
            arrived=motion is not None and self._arrived(motion),
        )

    def _arrived(self, motion: Motion) -> bool:
        if motion.joints is not None:
            return self._joints is None or bool(np.abs(self._joints - motion.joints).max() < _ARRIVED_RAD)
        return all(
            goal is None
            or (cursor is not None and _distance(cursor, goal) < _ARRIVED_M and _turn(cursor, goal)[1] < _ARRIVED_RAD)
            for cursor, goal in zip(self._cursors, motion.palms, strict=True)
        )

    def _move(self, stamp_ns: int, posture: Posture, motion: Motion) -> ArmCommand:
        """Joint targets and torques for one wish."""
        if motion.release:
            self._forget()
            return ArmCommand(stamp_ns, (), np.zeros(0), np.zeros(0))
        joints = posture.position.copy() if self._joints is None else self._joints
        if motion.joints is not None:
            self._cursors = [None, None]
            step = _REST_JOINT_SPEED * TICK_S
            joints = joints + np.clip(motion.joints - joints, -step, step)
        elif not motion.freeze and any(goal is not None for goal in motion.palms):
            wanted = self._follow(posture, joints, motion)
            step = _MAX_JOINT_SPEED * TICK_S
            joints = joints + np.clip(wanted - joints, -step, step)
        self._joints = joints
        rate = _GRIP_RATE * TICK_S
        self._grip_n += float(np.clip(motion.grip_n - self._grip_n, -rate, rate))
        self._bear(posture, motion)
        torque = [
            jacobian[:3].T @ (self._grip_n * palm.normal + np.array([0.0, 0.0, bear]))
            for jacobian, palm, bear in zip(posture.jacobians, posture.palms, self._bear_n, strict=True)
        ]
        limit = self._model.torque_limit
        self._effort = np.clip(posture.gravity + np.concatenate(torque), -limit, limit)
        return ArmCommand(stamp_ns, self._model.arms.joints, joints.copy(), self._effort.copy())

    def _bear(self, posture: Posture, motion: Motion) -> None:
        """Let the lifting forces grow against the palms' sag under a load."""
        if motion.grip_n == 0.0:
            self._bear_n = np.zeros(2)
        elif motion.bear:
            pairs = zip(self._cursors, posture.palms, strict=True)
            sag = np.array([0.0 if goal is None else goal.position[2] - palm.position[2] for goal, palm in pairs])
            self._bear_n = np.clip(self._bear_n + _BEAR_RATE * TICK_S * sag, 0.0, _MAX_BEAR_N)

    def _follow(self, posture: Posture, joints: Array, motion: Motion) -> Array:
        """Arm joints (A,) that take the palms a step towards their goals; an arm without goal keeps its own."""
        reached: tuple[PalmPose, PalmPose] | None = None
        for side, goal in enumerate(motion.palms):
            cursor = self._cursors[side]
            if goal is None:
                self._cursors[side] = None
            elif cursor is None:
                reached = reached or self._kinematics.reached(posture.qpos, joints)
                self._cursors[side] = _towards(reached[side], goal, motion.speed)
            else:
                self._cursors[side] = _towards(cursor, goal, motion.speed)
        left, right = self._cursors
        wanted = self._kinematics.solve(posture.qpos, joints, (left, right), grip=motion.grip_n > 0.0)
        half = len(joints) // 2
        for side, goal in enumerate(motion.palms):
            if goal is None:
                wanted[side * half : (side + 1) * half] = joints[side * half : (side + 1) * half]
        return wanted


class Refuse:
    """A task that cannot begin: everything stays as it is, a grip too."""

    def __init__(self, reason: str, grip_n: float) -> None:
        self._reason, self._grip_n = reason, grip_n

    def step(self, sense: Sense, task: ArmTask) -> Motion:
        """See the class."""
        return Motion("refused", freeze=True, grip_n=self._grip_n, failed=self._reason)


def _error(posture: Posture, goals: tuple[PalmPose | None, PalmPose | None]) -> float:
    """Distance [m] of the farther palm from its goal."""
    errors = [_distance(palm, goal) for palm, goal in zip(posture.palms, goals, strict=True) if goal is not None]
    return max(errors, default=0.0)


def _distance(one: PalmPose, other: PalmPose) -> float:
    return float(np.linalg.norm(one.position - other.position))


def _turn(start: PalmPose, end: PalmPose) -> tuple[Array, float]:
    """Axis (3,) and angle that turn one palm's axes into another's."""
    matrix = end.rotation @ start.rotation.T
    quaternion, axis = np.zeros(4), np.zeros(3)
    mujoco.mju_mat2Quat(quaternion, matrix.ravel())
    mujoco.mju_quat2Vel(axis, quaternion, 1.0)
    angle = float(np.linalg.norm(axis))
    return (axis / angle if angle > 1e-9 else np.array([0.0, 0.0, 1.0])), angle


def _towards(start: PalmPose, goal: PalmPose, speed: float) -> PalmPose:
    """The pose one tick nearer to the goal, turning along as it moves."""
    offset = goal.position - start.position
    distance = float(np.linalg.norm(offset))
    share = min(1.0, speed * TICK_S / distance) if distance > 1e-9 else 1.0
    axis, angle = _turn(start, goal)
    turn = min(angle, max(share * angle, 0.0) if distance > 0.02 else _TURN_RATE * TICK_S, _TURN_RATE * TICK_S)
    quaternion, matrix = np.zeros(4), np.zeros(9)
    mujoco.mju_axisAngle2Quat(quaternion, axis, turn)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return PalmPose(start.position + share * offset, matrix.reshape(3, 3) @ start.rotation)
