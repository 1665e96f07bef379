"""Messages of ROS 1 bags as those of ROS 2: other field names (K, k), no sequence number in headers, other bytes."""

from __future__ import annotations

from rosbags.convert.converter import STATIC_MSGTYPE_RENAMES, migrate_bytes
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore


class Ros1Messages:
    """Converts messages of the types in ``source``, the definitions that the bag itself holds."""

    def __init__(self, source: Typestore) -> None:
        self._source = source
        self.store = get_typestore(Stores.ROS2_KILTED)
        self._cache: dict[str, object] = {}

    def name(self, kind: str) -> str:
        """What ROS 2 calls the type; one that it does not know is taken over from the bag."""
        renamed = STATIC_MSGTYPE_RENAMES.get(kind, kind)
        if renamed not in self.store.fielddefs:
            text, _ = self._source.generate_msgdef(kind, ros_version=2)
            found = get_types_from_msg(text, renamed)
            self.store.register({name: d for name, d in found.items() if name not in self.store.fielddefs})
        return renamed

    def to_cdr(self, raw: bytes | memoryview, kind: str) -> bytes:
        """The bytes of the message in ROS 2."""
        target = self.name(kind)
        how = {"src_is2": False, "dst_is2": True}
        return bytes(migrate_bytes(self._source, self.store, kind, target, self._cache, raw, **how))
