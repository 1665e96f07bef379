"""Who vouches for a network file: ed25519 signatures over what its manifest states, and the list of trusted keys."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from autodrive.errors import EngineError
from autodrive.yaml_file import read_yaml

TRUSTED_KEYS = Path(__file__).with_name("trusted_keys.yaml")
PAYLOAD_TYPE = b"application/vnd.autodrive.engine+json"
# Anybody can make this key, so a signature of it says that nothing changed by accident, and not who signed.
_DEVELOPMENT_SEED = hashlib.sha256(b"autodrive: published development key").digest()


@dataclass(frozen=True)
class Signature:
    """``key``: the public key of the signer, ``value``: the signature; both in hexadecimal."""

    key: str
    value: str


def development_key() -> Ed25519PrivateKey:
    """The published key that everything is signed with until someone names a better one."""
    return Ed25519PrivateKey.from_private_bytes(_DEVELOPMENT_SEED)


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half as it stands in manifests and lists of trusted keys."""
    return key.public_key().public_bytes_raw().hex()


def is_development(signature: Signature) -> bool:
    """Whether the published key signed, which proves nothing about the origin."""
    return signature.key == public_hex(development_key())


def sign(document: Mapping[str, Any], key: Ed25519PrivateKey) -> Signature:
    """Sign plain values; raises EngineError when they have no canonical form."""
    return Signature(public_hex(key), key.sign(_envelope(document)).hex())


def verify(document: Mapping[str, Any], signature: Signature, trusted: Mapping[str, str], where: str) -> str:
    """The name of the trusted key that signed exactly this document; raises EngineError saying what to do."""
    names = {public: name for name, public in trusted.items()}
    if signature.key not in names:
        raise EngineError(
            f"{where}: signed by key {signature.key[:16]}..., which is not trusted here (trusted: {sorted(trusted)}); "
            "get it from someone trusted, or add the key to the list of trusted keys"
        )
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key)).verify(
            bytes.fromhex(signature.value), _envelope(document)
        )
    except (InvalidSignature, ValueError) as error:
        raise EngineError(
            f"{where}: its signature does not fit what it states: it was changed after signing; restore it, "
            "or, if the change is yours, run: autodrive engine sign"
        ) from error
    return names[signature.key]


def load_trusted_keys(path: Path = TRUSTED_KEYS) -> dict[str, str]:
    """Read ``name: public key in hexadecimal``; raises EngineError that names the file and the entry."""
    document = read_yaml(path, "trusted keys", EngineError)
    if not isinstance(document, dict):
        raise EngineError(f"trusted keys {path}: expected lines of name: key, got {document!r}")
    for name, public in document.items():
        if not isinstance(name, str) or not isinstance(public, str) or not is_hex(public, 32):
            raise EngineError(f"trusted keys {path}: {name!r} must be 64 hexadecimal digits in quotes, got {public!r}")
    return document


def is_hex(text: str, length: int) -> bool:
    """Whether a text is ``length`` bytes as lower-case hexadecimal digits."""
    return len(text) == 2 * length and set(text) <= set("0123456789abcdef")


def write_private_key(path: Path) -> Ed25519PrivateKey:
    """Make a new key and write it for its owner alone.

    Raises EngineError when the file is there already, or would lie in a git repository, where keys are published.
    """
    repository = next((folder for folder in path.resolve().parents if (folder / ".git").exists()), None)
    if repository is not None:
        raise EngineError(f"private key {path}: it would lie in the git repository {repository}; keep keys outside")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise EngineError(f"private key {path}: {error.strerror}; keys are never overwritten") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read what ``write_private_key`` wrote; raises EngineError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise EngineError(f"private key {path}: {error.strerror}; make one: autodrive engine keygen {path}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EngineError(f"private key {path} is no unencrypted PEM key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise EngineError(f"private key {path} is of another kind than ed25519")
    return key


def _envelope(document: Mapping[str, Any]) -> bytes:
    """DSSE's pre-authentication encoding, so that a signature for one kind of document fits no other."""
    try:
        payload = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise EngineError(f"only finite numbers, texts, lists and mappings can be signed: {error}") from error
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(payload), payload)
