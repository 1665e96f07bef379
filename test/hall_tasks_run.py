"""How often tasks in unseen halls succeed, without ROS: cd test && python hall_tasks_run.py bring 301-310.

The loop is that of the nodes (``hall_loop``), the tasks and the judge are those of ``autodrive evaluate humanoid``.
"""

from __future__ import annotations

import argparse
import sys

from hall_loop import SAY_AT_FRAME, Frame, HallLoop

from autodrive.errors import NoTaskError
from autodrive.humanoid.robot import load_robot
from autodrive.sim.hall_judge import judge
from autodrive.sim.hall_tasks import GOTO, KINDS, HallTask, TaskScene, make_task

LIMIT_FRAMES = 1800
FRAMES_AFTERWARDS = 20
ENDED = ("done", "failed", "refused", "question", "halted")


def run(loop: HallLoop, task: HallTask) -> tuple[list[Frame], bool, str]:
    """All frames of one task, whether it succeeded, and why not."""
    frames: list[Frame] = []
    ended = done_ns = None
    while len(frames) < LIMIT_FRAMES:
        frame = loop.frame((task.text,) if len(frames) == SAY_AT_FRAME else ())
        frames.append(frame)
        if frame.truth.fallen:
            break
        if len(frames) > SAY_AT_FRAME + 1 and frame.report.state in ENDED:
            if frame.report.state == "done" and done_ns is None:
                done_ns = frame.truth.stamp_ns
            ended = ended or len(frames)
            if len(frames) - ended >= FRAMES_AFTERWARDS:
                break
    success, why = judge(task, [frame.truth for frame in frames], done_ns)
    return frames, success, why


def main() -> None:
    """One line per task, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS, default=GOTO)
    parser.add_argument("seeds", help="A-B, both included")
    args = parser.parse_args()
    first, last = map(int, args.seeds.split("-"))
    arms = load_robot("g1").arms
    outcomes: list[bool] = []
    falls = touches = 0
    for seed in range(first, last + 1):
        loop = HallLoop(seed)
        try:
            task = make_task(args.kind, seed, TaskScene.of(loop.world.ground_truth(), loop.world.hall.hall.walls), arms)
        except NoTaskError:
            sys.stdout.write(f"{seed}  no task\n")
            continue
        frames, success, why = run(loop, task)
        outcomes.append(success)
        falls += frames[-1].truth.fallen
        touches += any(c.kind == "pedestrian" for f in frames for c in f.truth.contacts)
        said = frames[-1].report.says
        verdict = "done" if success else f"{why}; it said: {said}"
        sys.stdout.write(f"{seed}  {len(frames) / 10:5.1f} s  {task.text}: {verdict}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{sum(outcomes)} of {len(outcomes)}, falls {falls}, people touched {touches}\n")


if __name__ == "__main__":
    main()
