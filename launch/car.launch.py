"""The eight-camera car in a town: ``ros2 launch autodrive car.launch.py town:=summit seed:=7 out:=/tmp/run``."""

from launch import LaunchDescription

from autodrive_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """Every process group of the car and the lifecycle manager."""
    return describe(
        "car",
        {
            "town": "a shipped town (summit, brook, harbor) or the folder of your own",
            "seed": "episode: route, traffic, colours and light",
            "duration_s": "simulated seconds",
            "mode": "lockstep (the world waits for the car) or realtime",
            "engine": "manifest of the network to drive with",
            "rig": "camera rig file",
            "out": "absolute path of a folder for bag and video; empty records nothing",
            "parameters": "absolute path of a ROS parameter file for the nodes; empty takes config/nodes.yaml as it is",
        },
    )
