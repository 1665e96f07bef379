"""The humanoid's loop in one process is the graph's twin: what is measured with the one holds for the other."""

from __future__ import annotations

from pathlib import Path

from graph_run import Run
from hall_loop import SAY_AT_FRAME, HallLoop

from autodrive_nodes.graph import Options
from autodrive_nodes.paths import RIGS

SEED, SAY, SECONDS = 406, "walk to the purple box", 4


def test_the_loop_and_the_graph_come_to_the_same_state_to_the_byte(tmp_path: Path) -> None:
    rig = str(RIGS / "humanoid.yaml")
    told = Options("humanoid", seed=SEED, duration_s=SECONDS, rig=rig, say=SAY, out=str(tmp_path), record=False)
    with Run(told, ROS_DOMAIN_ID=None) as run:
        loop = HallLoop(SEED)
        # a graph's run ends with the frame that has its duration for a stamp, and does not answer it
        frames = [loop.frame((SAY,) if k == SAY_AT_FRAME else ()) for k in range(10 * SECONDS - 1)]
        assert max(frame.walk.vx for frame in frames) > 0.1, "it must have begun to walk"
        assert run.result()["state_sha256"] == loop.world.state_digest().hex()
