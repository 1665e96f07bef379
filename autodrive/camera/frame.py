"""One image of one camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """``image`` is RGB (H, W, 3); ``stamp_ns`` the time of its exposure, in a recording since an origin of its own."""

    stamp_ns: int
    image: NDArray[np.uint8]
