"""Real cameras: ``ros2 launch autodrive cameras.launch.py rig:=/path/rig.yaml cameras:=/path/cameras.yaml``."""

from launch import LaunchDescription

from autodrive_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """The cameras, ingestion, and the lifecycle manager."""
    return describe(
        "cameras",
        {
            "rig": "absolute path of the rig file",
            "cameras": "absolute path of the camera setup file (docs/camera_sources.md)",
            "parameters": "absolute path of a ROS parameter file for the nodes; empty takes config/nodes.yaml as it is",
        },
    )
