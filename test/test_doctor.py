"""autodrive doctor: each thing that can be wrong is found, named, and comes with what to do."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from autodrive import doctor, environment
from autodrive.doctor import Finding
from autodrive.inference.manifest import Manifest, sha256_hex, write_manifest
from autodrive.inference.signing import development_key, load_trusted_keys, public_hex
from autodrive_nodes.commands import doctor as command

REPOSITORY = Path(__file__).resolve().parents[1]


KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def engine(folder: Path, key: Ed25519PrivateKey = KEY) -> Path:
    """A manifest and its network file, signed."""
    content = b"network"
    (folder / "net.onnx").write_bytes(content)
    manifest = Manifest("net", "net.onnx", sha256_hex(content), 18, (), (), {}, (), (), ())
    write_manifest(folder / "net.yaml", manifest, key)
    return folder / "net.yaml"


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    file = tmp_path_factory.mktemp("keys") / "keys.yaml"
    file.write_text(f'owner: "{public_hex(KEY)}"\n')
    monkeypatch.setattr("autodrive.inference.manifest.load_trusted_keys", lambda: load_trusted_keys(file))


def test_an_intact_engine_of_a_trusted_owner_is_ok(tmp_path: Path, trusted: None) -> None:
    assert doctor.check_engine(engine(tmp_path)).status == "ok"


def test_an_engine_signed_with_the_development_key_is_a_warning(tmp_path: Path) -> None:
    finding = doctor.check_engine(engine(tmp_path, development_key()))
    assert finding.status == "warn" and "development key" in finding.detail


def test_an_engine_of_a_stranger_is_missing(tmp_path: Path) -> None:
    finding = doctor.check_engine(engine(tmp_path))
    assert finding.status == "missing" and "not trusted" in finding.detail


def test_a_flipped_bit_in_an_engine_is_found(tmp_path: Path, trusted: None) -> None:
    manifest = engine(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"netwprk")
    finding = doctor.check_engine(manifest)
    assert finding.status == "missing"
    assert "corrupted" in finding.detail
    assert "git checkout" in finding.fix


def test_an_absent_engine_file_is_named(tmp_path: Path, trusted: None) -> None:
    manifest = engine(tmp_path)
    (tmp_path / "net.onnx").unlink()
    finding = doctor.check_engine(manifest)
    assert finding.status == "missing" and "net.onnx: No such file" in finding.detail


@pytest.mark.parametrize("text", ["", "- a list", "file: net.onnx", "file: [unclosed"])
def test_an_unreadable_manifest_is_a_finding_and_not_an_exception(tmp_path: Path, text: str) -> None:
    manifest = tmp_path / "net.yaml"
    manifest.write_text(text)
    finding = doctor.check_engine(manifest)
    assert finding.status == "missing"
    assert "net.yaml" in finding.detail


def test_no_engines_at_all_is_a_finding(tmp_path: Path) -> None:
    assert [finding.status for finding in doctor.check_engines(tmp_path)] == ["missing"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise ImportError('no such library')", "no such library"),
        ("import os; os.abort()", "status -6"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
        ("print('no json')", "unreadable answer"),
        ("pass", "status 0"),
    ],
)
def test_a_probe_survives_whatever_it_asks(code: str, expected: str) -> None:
    answer = environment.ask(code, timeout_s=0.5 if "sleep" in code else 10.0)
    assert not answer.ok
    assert expected in answer.error


def test_a_probe_returns_the_last_line_that_was_printed() -> None:
    answer = environment.ask("print('chatter'); print('[1, \"a\"]')")
    assert answer.ok
    assert answer.value == [1, "a"]


def test_little_shared_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "free_shared_memory", lambda: 64 * 2**20)
    (finding,) = doctor.check_shared_memory()
    assert finding.status == "missing"
    assert "64 MiB free" in finding.detail
    assert "--shm-size" in finding.fix


def test_a_version_that_is_not_the_pinned_one_is_a_warning(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    numpy_version = environment.version_of("numpy")
    requirements.write_text(f"# pins\nnumpy=={numpy_version}\n")
    assert [finding.status for finding in doctor.check_versions(requirements)] == ["ok"]
    requirements.write_text("numpy==0.0.1\nnot-a-package==1  # why\n")
    (finding,) = doctor.check_versions(requirements)
    assert finding.status == "warn"
    assert f"numpy {numpy_version} (pinned 0.0.1)" in finding.detail
    assert "not-a-package absent (pinned 1)" in finding.detail


def test_missing_message_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_importable", lambda module: not module.startswith("autoware"))
    (finding,) = doctor.check_messages()
    assert finding.status == "missing"
    assert "autoware_control_msgs, autoware_perception_msgs" in finding.detail


def test_a_library_that_does_not_load_stops_driving_but_torch_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask", lambda code: environment.Answer(error="ImportError: libX.so"))
    assert doctor.check_library("mujoco") == [Finding("mujoco", "missing", "ImportError: libX.so", doctor.SETUP)]
    assert doctor.check_library("torch")[0].status == "warn"
    assert {finding.status for finding in doctor.check_ros()} == {"missing"}
    assert doctor.check_graphics()[0].status == "missing"
    assert doctor.check_gpu()[0].status == "warn"


def test_an_old_graphics_driver_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask", lambda code: environment.Answer(value=["ancient", 210]))
    (finding,) = doctor.check_graphics()
    assert finding.status == "missing"
    assert "OpenGL 2.1" in finding.detail


def test_whatever_is_not_ok_says_what_to_do_on_this_machine() -> None:
    findings = doctor.examine(REPOSITORY)
    names = [finding.name for finding in findings]
    assert len(names) == len(set(names))
    assert {"python", "ros", "rmw", "messages", "graphics", "gpu", "tensorrt", "onnxruntime", "shared memory"} <= {
        *names
    }
    assert all(finding.fix for finding in findings if finding.status != "ok")
    assert {finding.name: finding.status for finding in findings}["ros"] == "ok"


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("missing", 1)])
def test_the_command_reports_as_json_and_by_its_exit_status(
    status: doctor.Status, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "examine", lambda share: [Finding("thing", status, "detail", "do this")])
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["doctor", "--json"])
    assert args.run(args) == code
    report = json.loads(capsys.readouterr().out)
    assert report["ready"] == (code == 0)
    assert report["findings"] == [{"name": "thing", "status": status, "detail": "detail", "fix": "do this"}]
    args = parser.parse_args(["doctor"])
    args.run(args)
    assert "-> do this" in capsys.readouterr().out
