"""Every topic of the graph, once: name, type, who writes it, and how long a value stays fresh.

Nodes, recorder, monitor and tests read this table; a topic that is not in it does not exist. ``{camera}`` stands for
each camera of the rig. Types are standard messages, so Foxglove, RViz and Autoware users need no plugin.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: ``max_age_s`` is how long after its stamp a message may still be acted on (None: for ever)."""

    name: str
    type: str
    owner: str
    max_age_s: float | None = None
    recorded: bool = True
    latched: bool = False


# ``Topic.owner`` is the car's node; the humanoid's that says the same
WALKING_OWNERS = {"world_bridge": "body_bridge", "localization": "leg_odometry", "planning": "walk_planning"}

CLOCK = Topic("/clock", "rosgraph_msgs/msg/Clock", "world_bridge")
IMAGE = Topic("/camera/{camera}/image_raw", "sensor_msgs/msg/Image", "world_bridge", 0.5, recorded=False)
IMAGE_SHM = Topic(
    "/camera/{camera}/image_raw/shm", "sensor_msgs/msg/CompressedImage", "world_bridge", 0.5, recorded=False
)
IMAGE_COMPRESSED = Topic(
    "/camera/{camera}/image_raw/compressed", "sensor_msgs/msg/CompressedImage", "camera", 0.5, recorded=False
)
CAMERA_INFO = Topic("/camera/{camera}/camera_info", "sensor_msgs/msg/CameraInfo", "world_bridge", latched=True)
FRONT_PREVIEW = Topic("/camera/front/image_raw/compressed", "sensor_msgs/msg/CompressedImage", "recorder")
FRAME_SET = Topic("/camera/frame_set/shm", "sensor_msgs/msg/CompressedImage", "camera_ingestion", 0.5, recorded=False)
TF = Topic("/tf", "tf2_msgs/msg/TFMessage", "localization")
TF_STATIC = Topic("/tf_static", "tf2_msgs/msg/TFMessage", "world_bridge", latched=True)
VELOCITY = Topic("/vehicle/status/velocity_status", "autoware_vehicle_msgs/msg/VelocityReport", "world_bridge", 0.5)
STEERING = Topic("/vehicle/status/steering_status", "autoware_vehicle_msgs/msg/SteeringReport", "world_bridge", 0.5)
IMU = Topic("/sensing/imu/imu_data", "sensor_msgs/msg/Imu", "world_bridge", 0.5)
ODOMETRY = Topic("/localization/kinematic_state", "nav_msgs/msg/Odometry", "localization", 0.5)
DETECTIONS = Topic(
    "/perception/object_recognition/detection/objects",
    "autoware_perception_msgs/msg/DetectedObjects",
    "perception",
    0.5,
)
TRACKS = Topic(
    "/perception/object_recognition/tracking/objects", "autoware_perception_msgs/msg/TrackedObjects", "perception", 0.5
)
PREDICTIONS = Topic(
    "/perception/object_recognition/objects", "autoware_perception_msgs/msg/PredictedObjects", "prediction", 0.5
)
FREE_SPACE = Topic("/perception/occupancy_grid_map/map", "nav_msgs/msg/OccupancyGrid", "perception", 0.5)
LANES = Topic("/perception/lanes", "sensor_msgs/msg/PointCloud2", "perception", 0.5)
ROUTE = Topic("/planning/mission_planning/route", "nav_msgs/msg/Path", "world_bridge", latched=True)
GOAL = Topic("/planning/mission_planning/goal", "geometry_msgs/msg/PoseStamped", "user", latched=True)
INITIAL_POSE = Topic("/initialpose", "geometry_msgs/msg/PoseWithCovarianceStamped", "world_bridge", latched=True)
TRAJECTORY = Topic("/planning/trajectory", "autoware_planning_msgs/msg/Trajectory", "planning", 0.5)
CONTROL = Topic("/control/trajectory_follower/control_cmd", "autoware_control_msgs/msg/Control", "control", 0.5)
OPERATOR_STOP = Topic("/safety/operator_stop", "std_msgs/msg/Bool", "user")
OPERATOR_CONTROL = Topic("/operator/control_cmd", "autoware_control_msgs/msg/Control", "user", 0.5)
OPERATOR_WALK = Topic("/operator/cmd_vel", "geometry_msgs/msg/TwistStamped", "user", 0.5)
MOMENT_BUTTON = Topic("/recorder/button", "std_msgs/msg/Bool", "user")
SAFETY_STATE = Topic("/safety/state", "diagnostic_msgs/msg/DiagnosticArray", "safety_gate")
COMMAND = Topic("/control/command/control_cmd", "autoware_control_msgs/msg/Control", "safety_gate", 0.5)
JOINT_STATES = Topic("/joint_states", "sensor_msgs/msg/JointState", "body_bridge", 0.1)
BODY_ODOMETRY = Topic("/optimus/odometry", "nav_msgs/msg/Odometry", "leg_odometry", 0.1)
INSTRUCTION = Topic("/optimus/instruction", "std_msgs/msg/String", "user")
GROUNDING = Topic("/optimus/grounding", "std_msgs/msg/String", "instruction", latched=True)
APPEARANCE = Topic("/optimus/appearance", "std_msgs/msg/String", "appearance", 0.5)
TASK = Topic("/optimus/task", "std_msgs/msg/String", "instruction", 0.5)
MANIPULATION_STATE = Topic("/optimus/manipulation_state", "std_msgs/msg/String", "manipulation", 0.5)
HALT = Topic("/optimus/halt", "std_msgs/msg/Bool", "instruction")
WALK = Topic("/control/trajectory_follower/cmd_vel", "geometry_msgs/msg/TwistStamped", "walking_control", 0.5)
CMD_VEL = Topic("/cmd_vel", "geometry_msgs/msg/TwistStamped", "safety_gate", 0.5)
ARM_COMMAND = Topic("/optimus/arm_command", "sensor_msgs/msg/JointState", "manipulation", 0.1)
JOINT_COMMAND = Topic("/joint_command", "sensor_msgs/msg/JointState", "locomotion", 0.1)
DIAGNOSTICS = Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "any")
TRUTH_OBJECTS = Topic("/simulation/ground_truth/objects", "autoware_perception_msgs/msg/TrackedObjects", "world_bridge")
TRUTH_ODOMETRY = Topic("/simulation/ground_truth/kinematic_state", "nav_msgs/msg/Odometry", "world_bridge")
TRUTH_EVENTS = Topic("/simulation/ground_truth/events", "std_msgs/msg/String", "world_bridge")
FAULTS = Topic("/faults/order", "std_msgs/msg/String", "user")
SCORE = Topic("/simulation/score", "std_msgs/msg/String", "scorer")

TOPICS: tuple[Topic, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Topic))
