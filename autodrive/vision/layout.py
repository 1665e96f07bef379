"""What the network's numbers mean: grid, pixel scale and channels. Free of torch, which the robot does not need."""

from __future__ import annotations

from autodrive.scene import ObjectClass

GRID_CELLS = 64
# objects are found on a finer grid: boxes on a table stand closer than two of the cells that ground is drawn with
SUBCELLS = 2
OBJECT_CELLS = SUBCELLS * GRID_CELLS
CHANNELS = 48
# what is fed back of an earlier frame: its lifted features, and its heat maps, which say where things were
MEMORY_CHANNELS = CHANNELS + len(ObjectClass)
HEIGHTS_M = (0.0, 0.8, 1.7)
PIXEL_MEAN = (128.0, 128.0, 128.0)
PIXEL_STD = (64.0, 64.0, 64.0)

# Channels of the box head. offset: object cells from the cell's centre; z: box centre [m]; log of sizes in metres;
# axis: sine and cosine of twice the yaw; ray: a vector (sine, cosine) towards the yaw minus the azimuth of the cell's
# centre, which is what an image shows, the longer the surer the network is of which end is the front; velocity: over
# ground in base_link axes [m/s].
BOX_CHANNELS = (
    *("offset_x", "offset_y", "z", "log_length", "log_width", "log_height"),
    *("axis_sin", "axis_cos", "ray_sin", "ray_cos", "velocity_x", "velocity_y"),
)
OFFSET = slice(0, 2)
Z = slice(2, 3)
LOG_SIZE = slice(3, 6)
AXIS = slice(6, 8)
RAY = slice(8, 10)
VELOCITY = slice(10, 12)
# the heads learn numbers near one; velocities are larger
VELOCITY_SCALE = 5.0
