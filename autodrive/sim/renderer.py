"""Instanced off-screen renderer of a MuJoCo scene: all cameras of a rig into one atlas, one read-back.

MuJoCo's own renderer is bound by draw calls (simulation.md, section 2); this one draws all geoms of a shape at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import moderngl
import mujoco
import numpy as np
from numpy.typing import NDArray

from autodrive.errors import EnvironmentProblem
from autodrive.rig import Rig, network_intrinsics
from autodrive.sim import renderer_meshes as meshes
from autodrive.sim import renderer_shaders as shaders
from autodrive.sim.appearance import Appearance
from autodrive.sim.renderer_textures import LAYERS, SIZE, SURFACES, texture_layers

Array = NDArray[np.float64]

NEAR_M, FAR_M = 0.12, 600.0
FIRST_HIDDEN_GROUP = 3  # MuJoCo's own habit: groups 0-2 are drawn, 3-5 hold collision shapes
SMALLEST_PX = 0.35
_PLAIN_RGBA = np.array([0.5, 0.5, 0.5, 1.0], np.float32)  # what MuJoCo gives a geom without a colour of its own
_TYPES = (
    mujoco.mjtGeom.mjGEOM_BOX,
    mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    mujoco.mjtGeom.mjGEOM_SPHERE,
    mujoco.mjtGeom.mjGEOM_CAPSULE,
    mujoco.mjtGeom.mjGEOM_CYLINDER,
    mujoco.mjtGeom.mjGEOM_PLANE,
    mujoco.mjtGeom.mjGEOM_MESH,
)
# boxes of these materials are drawn with the top drawn in: (front, rear, side)
TAPERED = {"cabin_sedan": (0.38, 0.62, 0.84), "cabin_hatch": (0.50, 0.86, 0.86), "cabin_truck": (0.80, 1.0, 0.96)}


@dataclass(frozen=True)
class CameraViews:
    """N pinhole views: position (N, 3), rotation (N, 3, 3) world from optical; fx, fy, cx, cy (N, 4) in pixels."""

    position: Array
    rotation: Array
    intrinsics: Array


def views_from_rig(rig: Rig, world_from_base: Array) -> CameraViews:
    """The native images of a rig whose base_link is at ``world_from_base`` (4, 4)."""
    intrinsics = [[c.K[0, 0], c.K[1, 1], c.K[0, 2], c.K[1, 2]] for c in rig.cameras]
    return _views(rig, world_from_base, np.array(intrinsics))


def network_views(rig: Rig, world_from_base: Array) -> CameraViews:
    """The network images (NETWORK_WIDTH x NETWORK_HEIGHT) of the same rig, rendered directly."""
    return _views(rig, world_from_base, np.stack([network_intrinsics(c) for c in rig.cameras]))


def _views(rig: Rig, world_from_base: Array, intrinsics: Array) -> CameraViews:
    r, t = world_from_base[:3, :3], world_from_base[:3, 3]
    return CameraViews(
        np.stack([r @ c.position + t for c in rig.cameras]), np.stack([r @ c.rotation for c in rig.cameras]), intrinsics
    )


@dataclass
class _Batch:
    """All geoms that share one shape."""

    geoms: NDArray[np.int64]
    vertices: int
    closed: bool
    instances: moderngl.Buffer
    shaded: moderngl.VertexArray
    ids: moderngl.VertexArray


class AtlasRenderer:
    """Draws up to ``cameras`` views of ``width`` x ``height`` pixels of one model.

    Positions come from ``MjData`` at each call; sizes and colours of primitive geoms are read from the model at each
    call too, so they may change. ``exclude_bodies`` (ids) and all below them are not drawn. A geom is drawn when its
    group is 0-2 and its alpha is above 0; below 1 it is blended. ``textures`` may replace the procedural layers.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        cameras: int,
        width: int,
        height: int,
        appearance: Appearance,
        textures: NDArray[np.uint8] | None = None,
        exclude_bodies: Iterable[int] = (),
    ) -> None:
        self.model = model
        self.width, self.height = width, height
        self._columns = min(cameras, 4)
        self._rows = -(-cameras // self._columns)
        try:
            self.context = moderngl.create_context(require=330, standalone=True, backend="egl")  # type: ignore[arg-type]  # annotated as if ** took dicts
        except Exception as error:  # moderngl raises bare Exception for every reason that EGL may have
            raise EnvironmentProblem(
                f"no off-screen OpenGL context ({error}); run: apt-get install libegl1 libgl1 libgles2 libegl-mesa0"
            ) from error
        size = (self._columns * width, self._rows * height)
        self._target = self.context.framebuffer(
            [self.context.renderbuffer(size, 3)], self.context.depth_renderbuffer(size)
        )
        self._buffer = np.empty((size[1], size[0], 3), np.uint8)
        self._shaded = self.context.program(shaders.VERTEX, shaders.FRAGMENT)
        self._flat = self.context.program(shaders.VERTEX, shaders.ID_FRAGMENT)
        self._sky = self.context.program(shaders.SKY_VERTEX, shaders.SKY_FRAGMENT)
        corners = self.context.buffer(np.array([-1, -1, 3, -1, -1, 3], np.float32).tobytes())
        self._sky_array = self.context.vertex_array(self._sky, [(corners, "2f", "corner")])
        self._texture = self.context.texture_array((SIZE, SIZE, LAYERS), 3)
        self._read_model(set(exclude_bodies))
        self.set_appearance(appearance, textures)

    def set_appearance(self, appearance: Appearance, textures: NDArray[np.uint8] | None = None) -> None:
        """Change light, sky and textures; materials keep their colours, which are the model's."""
        self._texture.write((texture_layers(appearance.seed) if textures is None else textures).tobytes())
        self._texture.build_mipmaps()
        self._texture.repeat_x = self._texture.repeat_y = True
        self._set(self._shaded, "sun", appearance.sun_direction)
        self._set(self._shaded, "sun_rgb", appearance.sun_rgb)
        self._set(self._shaded, "ambient_rgb", appearance.ambient_rgb)
        self._set(self._shaded, "fog", (*appearance.sky_horizon_rgb, appearance.fog_density))
        self._set(self._shaded, "texture_strength", appearance.texture_strength)
        self._set(self._sky, "top", appearance.sky_top_rgb)
        self._set(self._sky, "horizon", appearance.sky_horizon_rgb)

    def render(self, data: mujoco.MjData, views: CameraViews) -> NDArray[np.uint8]:
        """RGB images (N, height, width, 3), top row first, of ``data`` after mj_kinematics."""
        instances = self._instances(data)
        self._texture.use(0)
        self._target.use()
        self._target.clear(0.5, 0.5, 0.5, 1.0)
        for k in range(len(views.position)):
            self._view(k, self.width, self.height)
            clip_from_world = self._projection(views, k)
            self._write(self._shaded, "view_projection", clip_from_world)
            self._set(self._shaded, "eye", tuple(views.position[k]))
            inside = self._inside(views, k)
            self._draw(instances, inside & self._opaque, shaded=True)
            self._write(self._sky, "world_from_clip", np.linalg.inv(clip_from_world))
            self._set(self._sky, "eye", tuple(views.position[k]))
            self.context.disable(moderngl.CULL_FACE)
            self._sky_array.render(moderngl.TRIANGLES)
            self._blend(instances, inside & ~self._opaque)
        self._target.read_into(self._buffer, components=3, alignment=1)
        tiles = self._buffer[::-1].reshape(self._rows, self.height, self._columns, self.width, 3)
        images = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, self.height, self.width, 3)
        return np.ascontiguousarray(images[: len(views.position)])

    def visible_pixels(self, data: mujoco.MjData, views: CameraViews) -> NDArray[np.int64]:
        """Pixels per body (nbody,) that the views see, all views together; measured at half resolution, times four."""
        instances = self._instances(data)
        body = np.asarray(self.model.geom_bodyid) + 1
        instances[:, 16:20] = np.stack([body % 256, body // 256 % 256, body // 65536, np.full_like(body, 255)], 1) / 255
        width, height = self.width // 2, self.height // 2
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 1.0)
        for k in range(len(views.position)):
            self._view(k, width, height)
            self._write(self._flat, "view_projection", self._projection(views, k))
            self._draw(instances, self._inside(views, k) & self._opaque, shaded=False)
        region = (0, 0, self._columns * width, self._rows * height)
        raw = np.frombuffer(self._target.read(region, components=3, alignment=1), np.uint8).reshape(-1, 3)
        ids = raw @ np.array([1, 256, 65536])
        return np.bincount(ids, minlength=self.model.nbody + 1)[1 : self.model.nbody + 1] * 4

    def close(self) -> None:
        """Release the context."""
        self.context.release()

    def _read_model(self, excluded: set[int]) -> None:
        m = self.model
        below = np.zeros(m.nbody, bool)
        for body in range(m.nbody):  # parents come before their children
            below[body] = body in excluded or (body > 0 and below[m.body_parentid[body]])
        self._drawn = (np.asarray(m.geom_group) < FIRST_HIDDEN_GROUP) & ~below[m.geom_bodyid]
        names = [m.material(k).name for k in range(m.nmat)]
        surface = np.tile(np.array([-1, 0, 1, 0], np.float32), (m.ngeom, 1))
        shape = np.full(m.ngeom, "", dtype=object)
        for geom in range(m.ngeom):
            name = names[m.geom_matid[geom]] if m.geom_matid[geom] >= 0 else ""
            if name in SURFACES:
                surface[geom, :3] = SURFACES[name]
            if m.geom_matid[geom] >= 0:
                surface[geom, 3] = min(1.0, float(m.mat_emission[m.geom_matid[geom]]))
            shape[geom] = _shape(m, geom, name)
        self._surface = surface
        solids = {
            "box": meshes.box(),
            "cylinder": meshes.cylinder(),
            "sphere": meshes.sphere(),
            **{name: meshes.box(*top) for name, top in TAPERED.items()},
        }
        self._batches = [self._batch(np.flatnonzero(shape == name), soup, True) for name, soup in solids.items()]
        for k in sorted({int(m.geom_dataid[g]) for g in np.flatnonzero(m.geom_type == mujoco.mjtGeom.mjGEOM_MESH)}):
            self._batches.append(self._batch(np.flatnonzero(shape == f"mesh{k}"), _mesh(m, k), False))
        self._batches.append(self._batch(np.flatnonzero(shape == "plane"), meshes.plane(), False))
        self._batches = [batch for batch in self._batches if len(batch.geoms)]

    def _batch(self, geoms: NDArray[np.int64], soup: meshes.Soup, closed: bool) -> _Batch:
        geoms = geoms[self._drawn[geoms]]
        buffer = self.context.buffer(reserve=max(1, len(geoms)) * 25 * 4, dynamic=True)
        vertices = self.context.buffer(soup.tobytes())
        layout = (buffer, "16f 4f 4f 1f/i", "model", "colour", "surface", "stretch")
        shaded = self.context.vertex_array(self._shaded, [(vertices, "3f 3f", "point", "normal"), layout])
        flat_layout = (buffer, "16f 4f 16x 1f/i", "model", "colour", "stretch")
        ids = self.context.vertex_array(self._flat, [(vertices, "3f 12x", "point"), flat_layout])
        return _Batch(geoms, len(soup), closed, buffer, shaded, ids)

    def _instances(self, data: mujoco.MjData) -> NDArray[np.float32]:
        """Per geom: matrix (16, column-major), colour (4), surface (4), stretch (1); also what culling needs."""
        m = self.model
        kind, size = np.asarray(m.geom_type), np.asarray(m.geom_size, np.float32)
        scale, stretch, radius = _scales(kind, size, np.asarray(m.geom_rbound, np.float32))
        rgba = np.array(m.geom_rgba, np.float32)
        material = np.asarray(m.geom_matid)
        from_material = (material >= 0) & (rgba == _PLAIN_RGBA).all(axis=1)
        rgba[from_material] = np.asarray(m.mat_rgba)[material[from_material]]
        self._alpha, self._radius = rgba[:, 3], radius
        self._opaque = self._alpha >= 0.99
        self._centre = np.asarray(data.geom_xpos)
        out = np.empty((m.ngeom, 25), np.float32)
        matrix = out[:, :16].reshape(m.ngeom, 4, 4)
        matrix[:, :3, :3] = np.transpose(data.geom_xmat.reshape(-1, 3, 3), (0, 2, 1)) * scale[:, :, None]
        matrix[:, :3, 3] = 0
        matrix[:, 3, :3] = data.geom_xpos
        matrix[:, 3, 3] = 1
        out[:, 16:20], out[:, 20:24], out[:, 24] = rgba, self._surface, stretch
        return out

    def _inside(self, views: CameraViews, k: int) -> NDArray[np.bool_]:
        """Which geoms touch the view's frustum and are large enough to be seen."""
        fx, fy, cx, cy = views.intrinsics[k]
        p = (self._centre - views.position[k]) @ views.rotation[k]
        planes = np.array(
            [
                [fx, 0, cx + 0.5],
                [-fx, 0, self.width - 0.5 - cx],
                [0, fy, cy + 0.5],
                [0, -fy, self.height - 0.5 - cy],
                [0, 0, 1],
            ]
        )
        planes /= np.linalg.norm(planes, axis=1, keepdims=True)
        touches = ((p @ planes.T) > -self._radius[:, None]).all(axis=1)
        large = self._radius * fx > SMALLEST_PX * p[:, 2]
        return touches & large & (self._alpha > 0) & self._drawn

    def _projection(self, views: CameraViews, k: int) -> Array:
        fx, fy, cx, cy = views.intrinsics[k]
        depth = FAR_M - NEAR_M
        clip_from_optical = np.array(
            [
                [2 * fx / self.width, 0, 2 * (cx + 0.5) / self.width - 1, 0],
                [0, -2 * fy / self.height, 1 - 2 * (cy + 0.5) / self.height, 0],
                [0, 0, (FAR_M + NEAR_M) / depth, -2 * FAR_M * NEAR_M / depth],
                [0, 0, 1, 0],
            ]
        )
        optical_from_world = np.eye(4)
        optical_from_world[:3, :3] = views.rotation[k].T
        optical_from_world[:3, 3] = -views.rotation[k].T @ views.position[k]
        return clip_from_optical @ optical_from_world

    def _view(self, k: int, width: int, height: int) -> None:
        row, column = divmod(k, self._columns)
        self._target.viewport = (column * width, (self._rows - 1 - row) * height, width, height)

    def _draw(self, instances: NDArray[np.float32], wanted: NDArray[np.bool_], shaded: bool) -> None:
        self.context.enable(moderngl.DEPTH_TEST)
        for batch in self._batches:
            chosen = batch.geoms[wanted[batch.geoms]]
            if not len(chosen):
                continue
            (self.context.enable if batch.closed else self.context.disable)(moderngl.CULL_FACE)
            batch.instances.write(instances[chosen].tobytes())
            (batch.shaded if shaded else batch.ids).render(moderngl.TRIANGLES, instances=len(chosen))

    def _blend(self, instances: NDArray[np.float32], wanted: NDArray[np.bool_]) -> None:
        if not wanted.any():
            return
        self.context.enable(moderngl.BLEND)
        self._target.depth_mask = False
        self._draw(instances, wanted, shaded=True)
        self._target.depth_mask = True
        self.context.disable(moderngl.BLEND)

    @staticmethod
    def _set(program: moderngl.Program, name: str, value: float | tuple[float, ...]) -> None:
        if name in program:  # the compiler drops uniforms that have no effect
            program[name].value = value  # type: ignore[union-attr]

    @staticmethod
    def _write(program: moderngl.Program, name: str, matrix: NDArray[np.floating]) -> None:
        program[name].write(np.ascontiguousarray(matrix.T, np.float32).tobytes())  # type: ignore[union-attr]


def _shape(model: mujoco.MjModel, geom: int, material: str) -> str:
    kind = mujoco.mjtGeom
    names = {
        kind.mjGEOM_BOX: material if material in TAPERED else "box",
        kind.mjGEOM_CYLINDER: "cylinder",
        kind.mjGEOM_SPHERE: "sphere",
        kind.mjGEOM_ELLIPSOID: "sphere",
        kind.mjGEOM_CAPSULE: "sphere",
        kind.mjGEOM_PLANE: "plane",
        kind.mjGEOM_MESH: f"mesh{model.geom_dataid[geom]}",
    }
    return names.get(kind(model.geom_type[geom]), "")


def _mesh(model: mujoco.MjModel, k: int) -> meshes.Soup:
    first, count = model.mesh_vertadr[k], model.mesh_vertnum[k]
    vertices = model.mesh_vert[first : first + count]
    first, count = model.mesh_faceadr[k], model.mesh_facenum[k]
    return meshes.triangles(np.asarray(vertices[model.mesh_face[first : first + count]], np.float64))


def _scales(
    kind: NDArray[np.int32], size: NDArray[np.float32], bound: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Scale (G, 3) of the unit shape, stretch (G,) of capsules and radius (G,) of the bounding sphere."""
    # plain integers: comparing an array with a mujoco enum takes the slow path, one Python call per element
    box, ellipsoid, sphere, capsule_, cylinder_, plane_, mesh_ = (int(t) for t in _TYPES)
    scale = np.ones_like(size)
    full = (kind == box) | (kind == ellipsoid)
    scale[full] = size[full]
    round_ = (kind == sphere) | (kind == capsule_)
    scale[round_] = size[round_, :1]
    cylinder = kind == cylinder_
    scale[cylinder] = size[cylinder][:, [0, 0, 1]]
    plane = kind == plane_
    scale[plane] = np.where(size[plane] > 0, size[plane], 500.0)
    stretch = np.zeros(len(size), np.float32)
    capsule = kind == capsule_
    stretch[capsule] = size[capsule, 1] / np.maximum(size[capsule, 0], 1e-6)
    radius = np.linalg.norm(scale, axis=1) + stretch * scale[:, 2]
    radius[plane] = 1e6
    mesh = kind == mesh_
    radius[mesh] = bound[mesh]
    return scale, stretch, radius.astype(np.float32)
