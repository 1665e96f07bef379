"""The built messages are the public ones on the wire, travel between processes, and are rebuilt only when changed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rosbags.typesys import Stores, get_typestore

REPOSITORY = Path(__file__).resolve().parents[1]

# REP 2011 hashes of the definitions at autowarefoundation/autoware_msgs 7025d8f (April 2026); a hash covers every
# field of every nested type, so these of the outermost types cover what we restate.
PUBLIC_HASHES = {
    "autoware_control_msgs/msg/Control": "7818be59aa790ebb777db06e55a2c15e3756de4cc35c80b1e8271afc5bab2e9d",
    "autoware_perception_msgs/msg/DetectedObjects": "2facd6b15786cbd1f720cdd23d22e6d60d2e7e83b8dff8fd401330e24edb187b",
    "autoware_perception_msgs/msg/PredictedObjects": "b63151309c3323bb6e3f09c54b3358aa53a8e66937a1cde15c5d5ede1ef80a08",
    "autoware_perception_msgs/msg/TrackedObjects": "3559bd4e62ce8a4d96e32720c02bbe656cc090bb2b3f3f91f52a7c3ab095417a",
    "autoware_planning_msgs/msg/Trajectory": "8259168af0abd0d3fa8297048f83aae4dad0955bd2d4e0904bcdc4f6f99a61b2",
    "autoware_vehicle_msgs/msg/ControlModeReport": "968feaa6441be3c3b161f2eb65972a4b15394d0a7ddc4664318551280d1ff222",
    "autoware_vehicle_msgs/msg/GearReport": "4d14bc3f186c1a6af6a732bb5ebd540cdd742a56770012f4c3cb9e762de8f391",
    "autoware_vehicle_msgs/msg/SteeringReport": "aa3acc9ca95ebc4daf9dec0ecf87911ad9c196392857c3026bfead589db65a94",
    "autoware_vehicle_msgs/msg/VelocityReport": "9052adda949c32f4a98500abc1fb5bd23f2560e321eebdfbb25318d6108d4ce4",
    "tf2_msgs/msg/TFMessage": get_typestore(Stores.ROS2_KILTED).hash_rihs01("tf2_msgs/msg/TFMessage")[len("RIHS01_") :],
}

SUBSCRIBER = """
import rclpy
from autoware_perception_msgs.msg import TrackedObjects
rclpy.init()
node = rclpy.create_node("listener")
heard = []
node.create_subscription(TrackedObjects, "/tracks", heard.append, 10)
print("ready", flush=True)
while not heard:
    rclpy.spin_once(node)
track = heard[0].objects[0]
print(track.classification[0].label, track.object_id.uuid[15], track.shape.dimensions.x, flush=True)
"""


def load_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_interfaces", REPOSITORY / "tools" / "build_interfaces.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()


def restated(name: str) -> bool:
    """Whether the package was built here rather than brought by a ROS distribution."""
    return not builder.is_provided(name)


@pytest.mark.parametrize("type_name", PUBLIC_HASHES)
def test_wire_format_is_the_public_one(type_name: str) -> None:
    package, _, message = type_name.split("/")
    if not restated(package):
        pytest.skip(f"{package} comes from the ROS distribution")
    description = json.loads((builder.PREFIX / "share" / package / "msg" / f"{message}.json").read_text())
    hashes = {entry["type_name"]: entry["hash_string"] for entry in description["type_hashes"]}
    assert hashes[type_name] == f"RIHS01_{PUBLIC_HASHES[type_name]}"


@pytest.mark.parametrize(
    ("package", "message", "name", "value"),
    [
        ("autoware_perception_msgs", "ObjectClassification", "PEDESTRIAN", 7),
        ("autoware_perception_msgs", "ObjectClassification", "HAZARD", 9),
        ("autoware_perception_msgs", "Shape", "POLYGON", 2),
        ("autoware_perception_msgs", "TrackedObjectKinematics", "AVAILABLE", 2),
        ("autoware_vehicle_msgs", "GearReport", "REVERSE", 20),
        ("autoware_vehicle_msgs", "GearReport", "PARK", 22),
        ("autoware_vehicle_msgs", "ControlModeReport", "NOT_READY", 6),
    ],
)
def test_constants_are_the_public_ones(package: str, message: str, name: str, value: int) -> None:
    assert getattr(getattr(importlib.import_module(f"{package}.msg"), message), name) == value


def test_a_message_travels_between_two_processes() -> None:
    import rclpy
    from autoware_perception_msgs.msg import ObjectClassification, TrackedObject, TrackedObjects

    track = TrackedObject(classification=[ObjectClassification(label=ObjectClassification.BICYCLE, probability=0.5)])
    track.object_id.uuid[15] = 42
    track.shape.dimensions.x = 1.75
    with subprocess.Popen([sys.executable, "-c", SUBSCRIBER], stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node("talker", context=context)
        publisher = node.create_publisher(TrackedObjects, "/tracks", 10)
        try:
            for _ in range(100):
                publisher.publish(TrackedObjects(objects=[track]))
                try:
                    listener.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    continue
            else:
                listener.kill()
            assert listener.stdout.read() == "6 42 1.75\n"
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)


def test_nothing_is_rebuilt_until_a_source_changes(tmp_path: Path) -> None:
    packages = builder.in_dependency_order(REPOSITORY / "interfaces")
    assert len(packages) == 5
    assert all(builder.is_provided(package.name) or builder.is_current(package) for package in packages)
    copy = tmp_path / packages[0].name
    shutil.copytree(packages[0], copy)
    assert builder.fingerprint(copy) == builder.fingerprint(packages[0])
    next(copy.glob("msg/*.msg")).open("a").write("bool one_more\n")
    assert builder.fingerprint(copy) != builder.fingerprint(packages[0])


def test_a_package_is_built_after_those_that_it_needs(tmp_path: Path) -> None:
    for name, needs in (("a_msgs", "b_msgs"), ("b_msgs", "c_msgs"), ("c_msgs", "std_msgs")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.xml").write_text(f"<package><depend>{needs}</depend></package>")
    assert [package.name for package in builder.in_dependency_order(tmp_path)] == ["c_msgs", "b_msgs", "a_msgs"]


def test_a_package_that_does_not_build_is_named_with_its_log_and_leaves_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken_msgs"
    package.mkdir()
    (package / "CMakeLists.txt").write_text(
        'cmake_minimum_required(VERSION 3.16)\nmessage(FATAL_ERROR "no such type")\n'
    )
    monkeypatch.setattr(builder, "PREFIX", tmp_path / "prefix")
    monkeypatch.setattr(builder, "BUILD", tmp_path / "build")
    with pytest.raises(builder.BuildError, match=r"broken_msgs did not build .*broken_msgs\.log"):
        builder.build(package)
    assert "no such type" in (tmp_path / "build" / "broken_msgs.log").read_text()
    assert not (tmp_path / "prefix" / "share" / "broken_msgs" / builder.STAMP).exists()


def test_include_folders_of_the_wheels_builder_are_replaced(tmp_path: Path) -> None:
    exported = tmp_path / "share" / "some_msgs" / "cmake" / "export.cmake"
    exported.parent.mkdir(parents=True)
    built_on = "/opt/python/cp311-cp311"
    exported.write_text(
        f'INCLUDES "{built_on}/include/python3.11;{built_on}/lib/python3.11/site-packages/numpy/_core/include"\n'
    )
    builder.repair_exported_includes(tmp_path)
    quoted = exported.read_text().split('"')[1]
    assert all(Path(folder).is_dir() for folder in quoted.split(";"))
