"""Stages on a recorded drive: ``ros2 launch autodrive replay.launch.py bag:=/drive/bag out:=/tmp/again``."""

from launch import LaunchDescription

from autodrive_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The chosen stages, the player of the recording, and the lifecycle manager."""
    return describe(
        "replay",
        {
            "bag": "absolute path of a drive that autodrive has recorded",
            "out": "absolute path of a folder for the answers",
            "only": "stages that act, separated by commas, all others as recorded; empty: all behind perception",
            "from_s": "begin so many seconds into the bag",
            "to_s": "end so many seconds into the bag",
            "rate": "times the recorded speed; 0 is as fast as the stages answer",
            "engine": "manifest of the network",
            "parameters": "absolute path of a ROS parameter file for the nodes; empty takes config/nodes.yaml as it is",
        },
    )
