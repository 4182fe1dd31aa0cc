/* cpu.h: which instruction sets this CPU has and this operating system saves. */
#ifndef SEKI_CPU_H
#define SEKI_CPU_H

#include <stdbool.h>

/* AVX-512 F, DQ and BW, with the whole of the vector state saved. */
bool seki_cpu_has_avx512(void);

/* The same and AVX-512 IFMA.  In a build with SEKI_TEST_CPU_HOOK the environment variable SEKISHO_TEST_IFMA=1 makes it
 * true wherever seki_cpu_has_avx512() is, for tests that emulate the instructions; other builds do not look. */
bool seki_cpu_has_ifma(void);

#endif
