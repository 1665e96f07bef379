"""The humanoid as ``run`` and ``evaluate`` see it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from autodrive.errors import AutodriveError
from autodrive.report_humanoid import REQUIRED, humanoid_table, runs_table, summarise
from autodrive.sim.hall_tasks import GOTO, KINDS, HallTask, TaskScene, make_task
from autodrive_nodes.commands.simulate import Body, Episode
from autodrive_nodes.paths import RIGS


def rig_of(robot: str) -> Path:
    """The rig that a robot carries: one of its own name where there is one."""
    own = RIGS / f"{robot}.yaml"
    return own if own.is_file() else RIGS / "humanoid.yaml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which robot, and the kind of its tasks."""
    parser.add_argument("--robot", default="g1", help="a robot of config/robots: g1, t1 (default g1)")
    parser.add_argument("--task", choices=KINDS, help=f"what to have it told (default {GOTO})")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """A single run may be told anything."""
    parser.add_argument("--say", metavar="TEXT", help="an instruction of your own, in plain English, instead of --task")


def prepare(args: argparse.Namespace, seed: int) -> Episode:
    """Your own words, or a task made from the hall of the seed; raises AutodriveError where it has none."""
    from autodrive.humanoid.robot import load_robot
    from autodrive.rig import load_rig
    from autodrive.sim.hall_world import HallWorld

    say = getattr(args, "say", None)
    if say is not None and args.task is not None:
        raise AutodriveError("--say and --task exclude each other: a task brings its own words")
    if say is not None and not say.strip():
        raise AutodriveError('--say is empty; try --say "go to the red box"')
    rig = rig_of(args.robot)
    world = HallWorld(args.robot, load_rig(rig), images=False)
    try:
        world.reset(seed)
        hall, truth = world.hall.hall, world.ground_truth()
    finally:
        world.close()
    task: HallTask | None = None
    if say is None:
        scene = TaskScene.of(truth, hall.walls)
        task = make_task(args.task or GOTO, seed, scene, load_robot(args.robot).arms)
    options = {
        "rig": str(rig),
        "robot": args.robot,
        "say": say if task is None else task.text,
        "task": "" if task is None else json.dumps(task.to_json()),
    }
    where = {
        "robot": args.robot,
        "hall": f"{hall.length:.1f} m x {hall.width:.1f} m, {len(truth.objects)} objects",
        "task": "" if task is None else task.kind,
        "target": None if task is None else task.to_json(),
    }
    return Episode(f"{args.robot} seed {seed}: {options['say']}", options, where)


def note(progress: dict[str, Any]) -> str:
    """What the robot says."""
    falls = f", {progress['falls']} falls" if progress["falls"] else ""
    return f"{progress['state']}: {progress['says']}, {progress['speed']:.1f} m/s{falls}"


def summary(out: Path, report: dict[str, Any]) -> None:
    """summary.png."""
    from autodrive.sim.task_hall import make_task_hall
    from autodrive.viz.summary_humanoid import read_walk, write_summary

    write_summary(out / "summary.png", report, read_walk(out / "bag"), make_task_hall(report["seed"]).hall)


HUMANOID = Body(
    name="humanoid",
    what="a humanoid that follows plain English in a hall",
    add_options=add_options,
    add_run_options=add_run_options,
    prepare=prepare,
    note=note,
    required=REQUIRED,
    table=humanoid_table,
    runs_table=runs_table,
    summarise=summarise,
    summary=summary,
    duration_s=180.0,  # a run ends with its task; to fetch something takes a minute or two
)
