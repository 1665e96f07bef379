"""GLSL of the atlas renderer. Texture modes: 0 none, 1 world xy, 2 facade (along the wall, world z), 3 soft shadow."""

VERTEX = """#version 330
in vec3 point; in vec3 normal;
in mat4 model; in vec4 colour; in vec4 surface; in float stretch;
uniform mat4 view_projection;
out vec3 world; out vec3 world_normal; out vec4 base; out vec3 local; out vec3 unit; out vec3 local_normal;
flat out vec4 surf;
void main() {
  vec3 p = point; p.z += sign(point.z) * stretch;
  vec4 w = model * vec4(p, 1.0);
  gl_Position = view_projection * w;
  mat3 m = mat3(model);
  vec3 squared = vec3(dot(m[0], m[0]), dot(m[1], m[1]), dot(m[2], m[2]));
  world = w.xyz; world_normal = m * (normal / squared); base = colour;
  local = p * sqrt(squared); unit = p; local_normal = normal; surf = surface;
}"""

FRAGMENT = """#version 330
in vec3 world; in vec3 world_normal; in vec4 base; in vec3 local; in vec3 unit; in vec3 local_normal;
flat in vec4 surf;
uniform vec3 eye; uniform vec3 sun; uniform vec3 sun_rgb; uniform vec3 ambient_rgb; uniform vec4 fog;
uniform float texture_strength; uniform sampler2DArray layers;
out vec4 pixel;
void main() {
  vec3 n = normalize(world_normal);
  if (dot(n, eye - world) < 0.0) n = -n;
  vec3 c = base.rgb; float alpha = base.a;
  if (surf.y > 2.5) {
    float edge = max(abs(unit.x), abs(unit.y));
    alpha *= 1.0 - smoothstep(0.45, 1.0, edge);
  } else if (surf.x >= 0.0) {
    vec2 uv = world.xy;
    if (surf.y > 1.5) {
      vec3 t = abs(local_normal.z) > 0.6 ? vec3(0.0) : normalize(cross(vec3(0.0, 0.0, 1.0), local_normal));
      uv = vec2(dot(local, t), abs(local_normal.z) > 0.6 ? 0.1 : world.z);
    }
    c *= mix(vec3(1.0), 2.0 * texture(layers, vec3(uv * surf.z, surf.x)).rgb, texture_strength);
  }
  vec3 light = ambient_rgb * (0.72 + 0.28 * n.z) + sun_rgb * max(dot(n, sun), 0.0);
  c = c * mix(light, vec3(1.0), surf.w);
  c = mix(fog.rgb, c, exp(-length(world - eye) * fog.a));
  pixel = vec4(c, alpha);
}"""

ID_FRAGMENT = """#version 330
in vec4 base; out vec4 pixel;
void main() { pixel = base; }"""

SKY_VERTEX = """#version 330
in vec2 corner; out vec2 ndc;
void main() { ndc = corner; gl_Position = vec4(corner, 0.999999, 1.0); }"""

SKY_FRAGMENT = """#version 330
in vec2 ndc; uniform mat4 world_from_clip; uniform vec3 eye; uniform vec3 top; uniform vec3 horizon; out vec4 pixel;
void main() {
  vec4 far = world_from_clip * vec4(ndc, 1.0, 1.0);
  float up = clamp(normalize(far.xyz / far.w - eye).z, 0.0, 1.0);
  pixel = vec4(mix(horizon, top, pow(up, 0.6)), 1.0);
}"""
