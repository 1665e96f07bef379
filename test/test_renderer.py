"""The atlas renderer against geometry that is known in closed form."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from autodrive.rig import NETWORK_HEIGHT, NETWORK_WIDTH, OPTICAL_FROM_BODY, load_rig
from autodrive.sim.appearance import random_appearance
from autodrive.sim.renderer import AtlasRenderer, CameraViews, network_views, views_from_rig

RIGS = Path(__file__).parents[1] / "config" / "rigs"
SCENE = """<mujoco><asset><material name="asphalt" rgba=".3 .3 .3 1"/><material name="facade1" rgba=".9 .7 .5 1"/>
</asset><worldbody><geom type="plane" size="0 0 1" material="asphalt"/>
<geom type="box" size="4 3 6" pos="20 10 6" material="facade1"/>
<body name="target" pos="10 1 1.4"><geom type="box" size="0.01 0.5 0.5" rgba="1 0 0 1"/></body>
<body name="hidden" pos="4 0 1"><geom type="box" size="0.1 2 2" rgba="0 0 1 0"/></body>
<body name="collision" pos="3 0 1"><geom type="box" size="0.1 2 2" rgba="0 0 1 1" group="3"/></body>
<body name="ego" pos="0 0 1"><geom type="sphere" size="1.5" rgba="0 1 0 1"/>
<body name="wheel" pos="2 0 0"><geom type="sphere" size="0.5" rgba="0 1 0 1"/></body></body>
</worldbody></mujoco>"""


@pytest.fixture(scope="module")
def scene() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return model, data


def forward_view(fx: float = 160.0, cx: float = 159.5, cy: float = 79.5) -> CameraViews:
    rotation = OPTICAL_FROM_BODY.T[None]
    return CameraViews(np.array([[0.0, 0.0, 1.4]]), rotation, np.array([[fx, fx, cx, cy]]))


def red_box(image: np.ndarray) -> tuple[float, float, float, float]:
    """First and last column and row of the target, as pixel edges."""
    red = (image[..., 0] > 60) & (image[..., 1] < 30) & (image[..., 2] < 30)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    return columns[0], columns[-1], rows[0], rows[-1]


@pytest.mark.parametrize(("cx", "cy"), [(159.5, 79.5), (100.0, 60.0), (200.25, 110.0)])
def test_target_appears_where_the_pinhole_model_says(scene, cx: float, cy: float) -> None:
    model, data = scene
    renderer = AtlasRenderer(model, 1, 320, 160, random_appearance(1), exclude_bodies=[model.body("ego").id])
    left, right, top, bottom = red_box(renderer.render(data, forward_view(cx=cx, cy=cy))[0])
    renderer.close()
    # 9.99 m away, y from 0.5 to 1.5 (left of the axis), z +-0.5 about the camera
    scale = 160.0 / 9.99
    assert left == pytest.approx(cx - 1.5 * scale, abs=1.0)
    assert right == pytest.approx(cx - 0.5 * scale, abs=1.0)
    assert top == pytest.approx(cy - 0.5 * scale, abs=1.0)
    assert bottom == pytest.approx(cy + 0.5 * scale, abs=1.0)


def test_excluded_bodies_take_their_children_along(scene) -> None:
    model, data = scene
    views = forward_view()
    ego, wheel, target = (model.body(name).id for name in ("ego", "wheel", "target"))
    renderer = AtlasRenderer(model, 1, 320, 160, random_appearance(1), exclude_bodies=[ego])
    pixels = renderer.visible_pixels(data, views)
    renderer.close()
    assert pixels[ego] == 0
    assert pixels[wheel] == 0
    assert pixels[target] == pytest.approx((160 / 9.99) ** 2, rel=0.25)
    everything = AtlasRenderer(model, 1, 320, 160, random_appearance(1))
    assert everything.visible_pixels(data, views)[wheel] > 100
    everything.close()


def test_transparent_and_collision_geoms_are_not_drawn(scene) -> None:
    model, data = scene
    renderer = AtlasRenderer(model, 1, 320, 160, random_appearance(1))
    pixels = renderer.visible_pixels(data, forward_view())
    renderer.close()
    assert pixels[model.body("hidden").id] == 0
    assert pixels[model.body("collision").id] == 0


def test_network_images_are_the_bottom_of_the_camera_images(scene) -> None:
    model, data = scene
    rig = load_rig(RIGS / "car.yaml")
    pose = np.eye(4)
    native = AtlasRenderer(model, 8, 320, 160, random_appearance(2), exclude_bodies=[model.body("ego").id])
    images = native.render(data, views_from_rig(rig, pose))
    native.close()
    small = AtlasRenderer(
        model, 8, NETWORK_WIDTH, NETWORK_HEIGHT, random_appearance(2), exclude_bodies=[model.body("ego").id]
    )
    network = small.render(data, network_views(rig, pose))
    small.close()
    difference = np.abs(images[:, 160 - NETWORK_HEIGHT :].astype(int) - network)
    assert difference.mean() < 0.05
    assert (difference > 8).mean() < 1e-3
    assert images.std() > 10


def test_equal_to_the_byte_across_renderers(scene) -> None:
    model, data = scene
    rig = load_rig(RIGS / "humanoid.yaml")
    frames = []
    for _ in range(2):
        renderer = AtlasRenderer(model, 4, 160, 80, random_appearance(5))
        renderer.render(data, network_views(rig, np.eye(4)))
        frames.append(renderer.render(data, views_from_rig(rig, np.eye(4))).tobytes())
        renderer.close()
    assert frames[0] == frames[1]


def test_appearance_is_a_function_of_its_seed() -> None:
    assert random_appearance(3) == random_appearance(3)
    assert random_appearance(3) != random_appearance(4)
    for seed in range(50):
        look = random_appearance(seed)
        assert look.sun_direction[2] > 0.2
        assert np.linalg.norm(look.sun_direction) == pytest.approx(1.0)
        assert 0.1 < float(np.mean(look.asphalt_rgb)) < 0.56
        assert float(np.mean(look.marking_rgb)) > float(np.mean(look.asphalt_rgb)) + 0.15
