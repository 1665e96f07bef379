"""Perception over a recorded drive: ``ros2 launch autodrive perceive.launch.py bag:=DRIVE.mcap out:=/tmp/seen``."""

from launch import LaunchDescription

from autodrive_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The player of the bag, vision, recording, and the lifecycle manager."""
    return describe(
        "perceive",
        {
            "bag": "absolute path of the recording",
            "engine": "manifest of the network",
            "rig": "rig file of the cameras in the recording",
            "out": "absolute path of a folder for bag and video; empty records nothing",
            "parameters": "absolute path of a ROS parameter file for the nodes; empty takes config/nodes.yaml as it is",
        },
    )
