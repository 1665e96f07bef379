// libcuda for tests: memory of the "GPU" is the host's, and streams do at once what they are told, or keep it for a graph.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { void *to; const void *from; size_t size; void (*call)(void); } Work;
static Work works[256];
static int count, capturing, live, devices = 1, captured;

void fake_devices(int n) { devices = n; }
int fake_live(void) { return live; }
int fake_captured(void) { return captured; }

static int act(Work w) {
    if (capturing) { if (count == 256) return 999; works[count++] = w; return 0; }
    if (w.call) w.call(); else memcpy(w.to, w.from, w.size);
    return 0;
}

int fake_call(void (*call)(void)) { return act((Work){0, 0, 0, call}); }

int cuInit(unsigned f) { return devices < 0 ? 100 : 0; }
int cuDeviceGetCount(int *n) { *n = devices; return 0; }
int cuDeviceGet(int *d, int i) { *d = i; return 0; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "Host pretending", n); return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 8 : a == 76 ? 7 : -1; return 0; }
int cuGetErrorName(int e, const char **s) { *s = e == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : e == 100 ? "CUDA_ERROR_NO_DEVICE" : 0; return 0; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = &devices; live++; return 0; }
int cuDevicePrimaryCtxRelease_v2(int d) { live--; return 0; }
int cuCtxSetCurrent(void *c) { return c == &devices ? 0 : 201; }
int cuStreamCreate(void **s, unsigned f) { *s = works; live++; return 0; }
int cuStreamDestroy_v2(void *s) { live--; return s == works ? 0 : 400; }
int cuStreamSynchronize(void *s) { return s != works ? 400 : capturing ? 900 : 0; }
int cuMemAlloc_v2(uint64_t *p, size_t n) { if (n > (1ull << 32)) return 2; *p = (uint64_t)malloc(n); live++; return 0; }
int cuMemFree_v2(uint64_t p) { free((void *)p); live--; return 0; }
int cuMemHostAlloc(void **p, size_t n, unsigned f) { if (capturing) return 900; *p = calloc(1, n); live++; return 0; }
int cuMemFreeHost(void *p) { free(p); live--; return 0; }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *s) { return s != works ? 400 : act((Work){(void *)to, from, n, 0}); }
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *s) { return s != works ? 400 : act((Work){to, (void *)from, n, 0}); }
int cuStreamBeginCapture_v2(void *s, int mode) { if (capturing || s != works) return 900; capturing = 1; count = 0; captured++; return 0; }
int cuStreamEndCapture(void *s, void **g) { if (!capturing) return 901; capturing = 0; *g = works; live++; return 0; }
int cuGraphInstantiateWithFlags(void **e, void *g, uint64_t f) { *e = g; live++; return 0; }
int cuGraphDestroy(void *g) { live--; return 0; }
int cuGraphExecDestroy(void *e) { live--; return 0; }
int cuGraphLaunch(void *e, void *s) {
    if (e != works || s != works || capturing) return 400;
    for (int i = 0; i < count; i++) act(works[i]);
    return 0;
}
