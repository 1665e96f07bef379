// What a kernel needs besides the language, for nvcc and for a plain C++17 compiler, so that one source runs on both.
// On the host, HOST_LAUNCH runs every thread of every block in order: no barriers, no shared memory, no races to be seen.
#pragma once

#ifdef __CUDACC__

#include <cuda_fp16.h>

typedef __half half_t;
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void

DEVICE void store(float* target, float value) { *target = value; }
DEVICE void store(half_t* target, float value) { *target = __float2half_rn(value); }

#else

#include <cmath>

typedef _Float16 half_t;
#define DEVICE static inline
#define KERNEL static void

DEVICE void store(float* target, float value) { *target = value; }
DEVICE void store(half_t* target, float value) { *target = static_cast<half_t>(value); }

struct Index3 {
    unsigned x, y, z;
};
static thread_local Index3 threadIdx, blockIdx, blockDim;

template <class Body>
void host_launch(const unsigned* grid, const unsigned* block, Body body) {
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x)
                for (threadIdx.z = 0; threadIdx.z < block[2]; ++threadIdx.z)
                    for (threadIdx.y = 0; threadIdx.y < block[1]; ++threadIdx.y)
                        for (threadIdx.x = 0; threadIdx.x < block[0]; ++threadIdx.x) body();
}

#endif
