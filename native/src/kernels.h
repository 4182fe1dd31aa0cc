/* kernels.h: which lane kernels this machine has, whether they are trusted, and since when not.
 *
 * Process-wide: a kernel that fails its known-answer test or accepts what OpenSSL refuses is off for
 * every engine, thread and batch from then on, until the process ends (docs/ARCHITECTURE.md). */
#ifndef SEKI_KERNELS_H
#define SEKI_KERNELS_H

#include <stdatomic.h>

#include "ec_lanes.h"
#include "rsa_lanes.h"
#include "../include/sekisho.h"

/* Runs every usable kernel's known-answer test once and picks the fastest for RSA; later calls do nothing. */
void seki_kernels_start(void);

/* The kernel that answers for a class of keys now, or SEKI_KERNEL_NONE (then OpenSSL does). */
seki_kernel_id seki_kernels_rsa(unsigned bits);
seki_kernel_id seki_kernels_ec(seki_kernel_id kernel);

seki_rsa_kernel seki_kernels_rsa_function(seki_kernel_id kernel);

/* Whether it is trusted now.  A caller asks again after each group of lanes. */
bool seki_kernels_on(seki_kernel_id kernel);

/* Switches a kernel off for the reason given.  Only the first reason is kept. */
void seki_kernels_off(seki_kernel_id kernel, seki_kernel_state why);

/* Counts for the statistics. */
void seki_kernels_count(seki_kernel_id kernel, uint64_t lanes, uint64_t rejected, uint64_t mended);

/* From how many waiting rows on lanes beat OpenSSL (docs/ARCHITECTURE.md [M]; RSA on AVX-512F and AVX2 measured here). */
size_t seki_kernels_rows_min(seki_kernel_id kernel);

/* The SEKI_BACKEND_* that a verdict names. */
unsigned seki_kernels_backend(seki_kernel_id kernel);

#ifdef SEKI_TEST_FAULTS
/* The fault a test has planted in a kernel (seki_kernels_plant). */
seki_kernel_fault seki_kernels_fault(seki_kernel_id kernel);
#endif

#endif
