/* sha256_lanes.h: SHA-256 (FIPS 180-4) of many messages at once, one message a SIMD lane.
 *
 * Sixteen lanes with AVX-512 (F and BW), eight with AVX2; the state lies transposed, so that one vector
 * holds one working variable of all lanes.  Lanes do not wait for each other: a lane whose message is
 * done takes the next one of the queue.  Nothing is allocated, and no byte outside a message is read.
 *
 * Callers want seki_sha256_many (digest.h), which knows when lanes win. */
#ifndef SEKI_SHA256_LANES_H
#define SEKI_SHA256_LANES_H

#include "digest.h"

enum { SEKI_SHA256_LANES_MAX = 16, SEKI_SHA256_BLOCK_SIZE = 64 /* bytes; FIPS 180-4, figure 1 */ };

/* Runs `blocks` blocks through every lane, advancing next[lane] by stride[lane] bytes after each.
 *   state   8 rows, one for each working variable, of one 32-bit word a lane; 64-byte aligned
 *   next    where each lane's next block lies, any alignment */
typedef void (*seki_sha256_kernel)(uint32_t state[8][SEKI_SHA256_LANES_MAX], const uint8_t *next[SEKI_SHA256_LANES_MAX],
                                   const size_t stride[SEKI_SHA256_LANES_MAX], size_t blocks);

/* Runs `blocks` blocks at `data` through one state: what finishes the last messages when few lanes are left. */
typedef void (*seki_sha256_compress)(uint32_t state[8], const uint8_t *data, size_t blocks);

/* A kernel and when to use it. */
typedef struct {
    seki_sha256_kernel kernel; /* NULL if this CPU and build have none that wins */
    size_t width;              /* lanes: 8 or 16 */
    size_t minimum;            /* messages that must be under way for the lanes to win over OpenSSL; more than
                                * `width` counts as `width`, 0 as 1 */
    const char *name;          /* "avx512", "avx2" or "none" */
} seki_sha256_lanes;

/* The kernel for this CPU, whether switched on or not. */
const seki_sha256_lanes *seki_sha256_lanes_choice(void);

/* Whether lanes may be used: the CPU has a kernel, it was not switched off, and it passed its self-test,
 * which the first call runs (some tens of microseconds) if nobody did before. */
bool seki_sha256_lanes_usable(void);

/* Switches the lanes off, or on again: then the next seki_sha256_lanes_usable tests them anew. */
void seki_sha256_lanes_enable(bool enable);

/* Known-answer test of this CPU's kernel; on failure the lanes are switched off.  True if they passed or
 * there is no kernel to fail. */
bool seki_sha256_lanes_self_test(void);

/* The known answers alone, for any kernel of `width` lanes; switches nothing. */
bool seki_sha256_lanes_known_answers(seki_sha256_kernel kernel, size_t width);

/* Hashes `count` messages; out[i] has 32 bytes and overlaps no message.
 *   lanes     a kernel which this CPU can run, and its width; once fewer than lanes->minimum messages are
 *             under way, and none waits, `compress` finishes them one by one
 *   compress  not called (and may be NULL) if lanes->minimum is at most 1 */
void seki_sha256_lanes_run(const seki_sha256_lanes *lanes, const seki_span *messages, uint8_t (*out)[SEKI_SHA256_SIZE],
                           size_t count, seki_sha256_compress compress);

#if defined(__x86_64__)
/* Whether this CPU (and its operating system) can run the kernels below; calling one that cannot is undefined. */
bool seki_sha256_avx512_runs(void);
bool seki_sha256_avx2_runs(void);
void seki_sha256_avx512(uint32_t state[8][SEKI_SHA256_LANES_MAX], const uint8_t *next[SEKI_SHA256_LANES_MAX],
                        const size_t stride[SEKI_SHA256_LANES_MAX], size_t blocks);
void seki_sha256_avx2(uint32_t state[8][SEKI_SHA256_LANES_MAX], const uint8_t *next[SEKI_SHA256_LANES_MAX],
                      const size_t stride[SEKI_SHA256_LANES_MAX], size_t blocks);
#endif

#endif
