/* cpu.h: which instruction sets this CPU has and this operating system saves. */
#ifndef SEKI_CPU_H
#define SEKI_CPU_H

#include <stdbool.h>

/* AVX2 and FMA, with the vector state they want saved. */
bool seki_cpu_has_avx2(void);

/* AVX-512 F, DQ and BW, with the whole of the vector state saved. */
bool seki_cpu_has_avx512(void);

/* The same and AVX-512 IFMA. */
bool seki_cpu_has_ifma(void);

/* The same and what else crypto_mb's AVX-512 code wants: BMI2, VBMI, VBMI2. */
bool seki_cpu_has_crypto_mb(void);

#endif
