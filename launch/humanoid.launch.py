"""The humanoid in a hall: ``ros2 launch autodrive humanoid.launch.py seed:=7 say:="go to the red box"``."""

from launch import LaunchDescription

from autodrive_nodes.launch_description import describe
from autodrive_nodes.paths import RIGS


def generate_launch_description() -> LaunchDescription:
    """Every process group of the humanoid and the lifecycle manager."""
    return describe(
        "humanoid",
        {
            "robot": "a robot of config/robots (g1, t1)",
            "seed": "episode: hall, people, colours and light",
            "say": "instruction at the start; more may be said on /optimus/instruction; empty waits for them",
            "duration_s": "simulated seconds at most",
            "mode": "lockstep (the world waits for the robot) or realtime",
            "engine": "manifest of the network, the same as the car's",
            "rig": "camera rig file of the robot (config/rigs/t1.yaml for the T1)",
            "out": "absolute path of a folder for bag and video; empty records nothing",
            "parameters": "absolute path of a ROS parameter file for the nodes; empty takes config/nodes.yaml as it is",
        },
        rig=str(RIGS / "humanoid.yaml"),
    )
