// Camera image -> network input in one pass: decode the pixel format, shrink, undistort, crop, normalise, to NCHW.
// One thread per network pixel, blockIdx.z is the camera. What a pixel means is defined by the CPU path
// (autodrive/vision/preprocess.py): the image is averaged over blocks of reduce x reduce pixels, then sampled bilinearly,
// black outside. autodrive/camera/kernel_camera.py mirrors the structs.
#include "launch.h"

enum Format { RGB8, BGR8, NV12, YUYV, BAYER_RGGB8, BAYER_BGGR8, BAYER_GRBG8, BAYER_GBRG8 };
enum Model { POLYNOMIAL, EQUIDISTANT };  // plumb_bob is the polynomial with k4..k6 = 0

struct Camera {
    const unsigned char* pixels;  // NV12: luma rows, then chroma rows of the same pitch
    int width, height, pitch;     // pixels, pixels, bytes
    int format, model, reduce;
    float ray[4];                 // of network pixel (u, v): x = ray[0] u + ray[1], y = ray[2] v + ray[3] at z = 1
    float radial[6], tangential[2];
    float fx, fy, cx, cy;         // of the native image
};

struct Normalisation {
    float mean[3], scale[3];  // (value - mean) * scale, grey levels 0..255
};

struct Rgb {
    float r, g, b;
};

DEVICE int clamped(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

DEVICE float grey(float value) { return fminf(fmaxf(value, 0.f), 255.f); }

// BT.601 with limited range, as cameras and OpenCV have it
DEVICE Rgb from_yuv(int luma, int cb, int cr) {
    const float y = 255.f / 219.f * fmaxf(luma - 16.f, 0.f), u = cb - 128.f, v = cr - 128.f;
    return {grey(y + 1.596027f * v), grey(y - 0.391762f * u - 0.812968f * v), grey(y + 2.017232f * u)};
}

// Bilinear demosaicing; the outermost pixels take the value of their inner neighbours
DEVICE Rgb from_bayer(const Camera& camera, int x, int y) {
    x = clamped(x, 1, camera.width - 2);
    y = clamped(y, 1, camera.height - 2);
    const int pitch = camera.pitch;
    const unsigned char* p = camera.pixels + static_cast<long long>(y) * pitch + x;
    const float own = p[0], across = 0.5f * (p[-1] + p[1]), along = 0.5f * (p[-pitch] + p[pitch]);
    const float cross = 0.5f * (across + along);
    const float corners = 0.25f * (p[-pitch - 1] + p[-pitch + 1] + p[pitch - 1] + p[pitch + 1]);
    // where red lies in the 2 x 2 tile
    const int red_x = camera.format == BAYER_BGGR8 || camera.format == BAYER_GRBG8;
    const int red_y = camera.format == BAYER_BGGR8 || camera.format == BAYER_GBRG8;
    const bool red_column = (x & 1) == red_x, red_row = (y & 1) == red_y;
    if (red_column && red_row) return {own, cross, corners};
    if (!red_column && !red_row) return {corners, cross, own};
    return red_row ? Rgb{across, own, along} : Rgb{along, own, across};
}

DEVICE Rgb native_pixel(const Camera& camera, int x, int y) {
    const unsigned char* row = camera.pixels + static_cast<long long>(y) * camera.pitch;
    switch (camera.format) {
        case RGB8: return {float(row[3 * x]), float(row[3 * x + 1]), float(row[3 * x + 2])};
        case BGR8: return {float(row[3 * x + 2]), float(row[3 * x + 1]), float(row[3 * x])};
        case NV12: {
            const unsigned char* chroma =
                camera.pixels + static_cast<long long>(camera.height + y / 2) * camera.pitch + x / 2 * 2;
            return from_yuv(row[x], chroma[0], chroma[1]);
        }
        case YUYV: return from_yuv(row[2 * x], row[x / 2 * 4 + 1], row[x / 2 * 4 + 3]);
        default: return from_bayer(camera, x, y);
    }
}

// Adds weight * the mean of one block of the shrunk image
DEVICE void add_block(const Camera& camera, int x, int y, float weight, Rgb& sum) {
    const int n = camera.reduce;
    if (weight == 0.f || x < 0 || y < 0 || x >= camera.width / n || y >= camera.height / n) return;
    Rgb block = {0.f, 0.f, 0.f};
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < n; ++i) {
            const Rgb pixel = native_pixel(camera, x * n + i, y * n + j);
            block.r += pixel.r, block.g += pixel.g, block.b += pixel.b;
        }
    const float each = weight / (n * n);
    sum.r += each * block.r, sum.g += each * block.g, sum.b += each * block.b;
}

// Native pixel, in floating point, that a ray (x, y, 1) of the undistorted camera meets
DEVICE void distort(const Camera& camera, float x, float y, float& native_x, float& native_y) {
    const float* k = camera.radial;
    const float r2 = x * x + y * y;
    if (camera.model == POLYNOMIAL) {
        const float radial = (1.f + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))) / (1.f + r2 * (k[3] + r2 * (k[4] + r2 * k[5])));
        const float p1 = camera.tangential[0], p2 = camera.tangential[1];
        const float bent_x = x * radial + 2.f * p1 * x * y + p2 * (r2 + 2.f * x * x);
        const float bent_y = y * radial + p1 * (r2 + 2.f * y * y) + 2.f * p2 * x * y;
        x = bent_x, y = bent_y;
    } else {
        const float r = sqrtf(r2), angle = atanf(r), a2 = angle * angle;
        const float bent = angle * (1.f + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))));
        const float scale = r > 1e-8f ? bent / r : 1.f;
        x *= scale, y *= scale;
    }
    native_x = camera.fx * x + camera.cx;
    native_y = camera.fy * y + camera.cy;
}

DEVICE Rgb sample(const Camera& camera, int u, int v) {
    float x, y;
    distort(camera, camera.ray[0] * u + camera.ray[1], camera.ray[2] * v + camera.ray[3], x, y);
    const float n = camera.reduce;
    x = (x + 0.5f) / n - 0.5f, y = (y + 0.5f) / n - 0.5f;
    Rgb sum = {0.f, 0.f, 0.f};
    // written so that NaN is outside
    if (!(x > -1.f && y > -1.f && x < camera.width && y < camera.height)) return sum;
    const float left = floorf(x), top = floorf(y), right_share = x - left, bottom_share = y - top;
    const int column = static_cast<int>(left), row = static_cast<int>(top);
    add_block(camera, column, row, (1.f - right_share) * (1.f - bottom_share), sum);
    add_block(camera, column + 1, row, right_share * (1.f - bottom_share), sum);
    add_block(camera, column, row + 1, (1.f - right_share) * bottom_share, sum);
    add_block(camera, column + 1, row + 1, right_share * bottom_share, sum);
    return sum;
}

template <class T>
DEVICE void write_pixel(const Camera* cameras, const Normalisation& norm, T* out, int width, int height) {
    const int u = blockIdx.x * blockDim.x + threadIdx.x, v = blockIdx.y * blockDim.y + threadIdx.y;
    if (u >= width || v >= height) return;
    const Rgb pixel = sample(cameras[blockIdx.z], u, v);
    const long long plane = static_cast<long long>(width) * height;
    T* target = out + 3 * plane * blockIdx.z + static_cast<long long>(v) * width + u;
    store(target, (pixel.r - norm.mean[0]) * norm.scale[0]);
    store(target + plane, (pixel.g - norm.mean[1]) * norm.scale[1]);
    store(target + 2 * plane, (pixel.b - norm.mean[2]) * norm.scale[2]);
}

KERNEL preprocess_f32(const Camera* cameras, const Normalisation* norm, float* out, int width, int height) {
    write_pixel(cameras, *norm, out, width, height);
}

KERNEL preprocess_f16(const Camera* cameras, const Normalisation* norm, half_t* out, int width, int height) {
    write_pixel(cameras, *norm, out, width, height);
}

#ifndef __CUDACC__
extern "C" void preprocess_f32_host(const unsigned* grid, const unsigned* block, const Camera* cameras,
                                    const Normalisation* norm, float* out, int width, int height) {
    host_launch(grid, block, [=] { preprocess_f32(cameras, norm, out, width, height); });
}

extern "C" void preprocess_f16_host(const unsigned* grid, const unsigned* block, const Camera* cameras,
                                    const Normalisation* norm, half_t* out, int width, int height) {
    host_launch(grid, block, [=] { preprocess_f16(cameras, norm, out, width, height); });
}
#endif
