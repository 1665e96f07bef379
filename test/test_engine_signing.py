"""Nothing runs that a trusted key has not signed, and nothing that was changed after it was."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from autodrive.errors import EngineError
from autodrive.inference.engine import load_engine
from autodrive.inference.manifest import load_manifest, read_network, verify_manifest, write_manifest
from autodrive.inference.signing import (
    development_key,
    is_development,
    load_trusted_keys,
    public_hex,
    sign,
    verify,
    write_private_key,
)
from autodrive_nodes.cli import main
from autodrive_nodes.paths import DEFAULT_ENGINE

OWNER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A private copy of the shipped network to tamper with."""
    for file in (DEFAULT_ENGINE, DEFAULT_ENGINE.with_suffix(".onnx")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / DEFAULT_ENGINE.name


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise AssertionError("the runtime saw unchecked bytes")

    monkeypatch.setattr("autodrive.inference.onnx_engine.OnnxEngine.__init__", explode)


def test_the_shipped_network_is_signed_with_the_published_key() -> None:
    manifest, signer = verify_manifest(DEFAULT_ENGINE)
    assert signer == "development" and manifest.signature is not None and is_development(manifest.signature)


def test_an_unsigned_network_is_refused(shipped: Path, unreachable: None) -> None:
    document = yaml.safe_load(shipped.read_text())
    del document["signature"]
    shipped.write_text(yaml.safe_dump(document))
    with pytest.raises(EngineError, match="is not signed"):
        load_engine(shipped)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps: ", "steps: 1"),
        ("- car\n- truck", "- truck\n- car"),
        ("  - 128.0", "  - 127.0"),
        ("width: 3", "width: 4"),
    ],
)
def test_a_manifest_that_was_changed_after_signing_is_refused(
    shipped: Path, unreachable: None, old: str, new: str
) -> None:
    text = shipped.read_text()
    assert old in text
    shipped.write_text(text.replace(old, new, 1))
    with pytest.raises(EngineError, match="changed after signing"):
        load_engine(shipped)


def test_another_network_with_its_right_hash_is_refused(shipped: Path, unreachable: None) -> None:
    """Whoever swaps the file and its sha256 still cannot sign."""
    write_manifest(shipped, load_manifest(shipped), OWNER)
    trusted = {"owner": public_hex(OWNER)}
    data = shipped.with_suffix(".onnx").read_bytes() + b"\0"
    shipped.with_suffix(".onnx").write_bytes(data)
    with pytest.raises(EngineError, match="corrupted"):
        load_engine(shipped, trusted=trusted)
    write_manifest(shipped, replace(load_manifest(shipped), sha256="0" * 64), development_key())
    with pytest.raises(EngineError, match=r"not trusted here \(trusted: \['owner'\]\)"):
        load_engine(shipped, trusted=trusted)


@pytest.mark.parametrize("length", [0, 1, 1000])
def test_a_truncated_file_is_refused(shipped: Path, unreachable: None, length: int) -> None:
    file = shipped.with_suffix(".onnx")
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(EngineError, match="corrupted"):
        load_engine(shipped)


@pytest.mark.parametrize(
    "signature", ["text", {"key": "00"}, {"key": "zz" * 32, "value": "00" * 64}, {"key": "", "value": ""}]
)
def test_a_malformed_signature_is_named(shipped: Path, signature: object) -> None:
    document = yaml.safe_load(shipped.read_text())
    shipped.write_text(yaml.safe_dump({**document, "signature": signature}))
    with pytest.raises(EngineError, match=r"vision\.yaml: signature"):
        read_network(shipped)


def test_a_key_that_is_no_point_of_the_curve_is_an_engine_error() -> None:
    signature = replace(sign({}, OWNER), key="ff" * 32)
    with pytest.raises(EngineError, match="does not fit"):
        verify({}, signature, {"odd": "ff" * 32}, "test")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(), PLAIN, max_size=4), st.integers(0, 511))
def test_any_document_verifies_in_any_order_and_no_flipped_bit_does(document: dict, bit: int) -> None:
    signature, trusted = sign(document, OWNER), {"owner": public_hex(OWNER)}
    assert verify(dict(reversed(document.items())), signature, trusted, "test") == "owner"
    flipped = bytearray.fromhex(signature.value)
    flipped[bit // 8] ^= 1 << bit % 8
    for changed, given_signature in (
        (document, replace(signature, value=flipped.hex())),
        ({**document, "\0more": 1}, signature),
    ):
        with pytest.raises(EngineError, match="does not fit"):
            verify(changed, given_signature, trusted, "test")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"bytes"])
def test_what_has_no_canonical_form_is_not_signed(value: object) -> None:
    with pytest.raises(EngineError, match="can be signed"):
        sign({"value": value}, OWNER)


@pytest.mark.parametrize("text", ["- a", "owner: 12", 'owner: "abc"', "owner: [", ""])
def test_a_broken_list_of_trusted_keys_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(EngineError, match=r"keys\.yaml"):
        load_trusted_keys(tmp_path / "keys.yaml")


def test_own_key_from_making_it_to_loading_with_it(shipped: Path, tmp_path: Path, capsys) -> None:
    key, keys = tmp_path / "private" / "key.pem", tmp_path / "keys.yml"
    assert main(["engine", "keygen", str(key), "--name", "me"]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    keys.write_text(capsys.readouterr().out)
    assert main(["engine", "verify", str(shipped), "--trusted", str(keys)]) == 1
    assert "not trusted" in capsys.readouterr().err
    assert main(["engine", "sign", str(shipped), "--key", str(key)]) == 0
    assert main(["engine", "verify", str(shipped), "--trusted", str(keys)]) == 0
    assert capsys.readouterr().out.endswith("signed by me\n")
    assert main(["engine", "list", str(tmp_path)]) == 1, "the shipped list does not know the new key"
    assert "refused" in capsys.readouterr().out


def test_a_private_key_is_not_written_into_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with pytest.raises(EngineError, match="keep keys outside"):
        write_private_key(tmp_path / "sub" / "key.pem")
    assert not (tmp_path / "sub").exists()


def test_a_key_is_never_overwritten_and_a_wrong_file_is_not_signed(shipped: Path, tmp_path: Path, capsys) -> None:
    write_private_key(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(EngineError, match="never overwritten"):
        write_private_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before
    shipped.with_suffix(".onnx").write_bytes(b"other")
    assert main(["engine", "sign", str(shipped)]) == 1
    assert "not signed" in capsys.readouterr().err
    assert main(["engine", "sign", str(shipped), "--key", str(shipped)]) == 1
    assert "no unencrypted PEM key" in capsys.readouterr().err
