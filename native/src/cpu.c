#include "cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

/* Intel SDM, volume 2A, CPUID; volume 1, 15.2 to 15.4: detecting AVX-512. */
enum {
    LEAF1_ECX_OSXSAVE = 1u << 27,
    LEAF7_EBX_BMI2 = 1u << 8,
    LEAF7_EBX_AVX512F = 1u << 16,
    LEAF7_EBX_AVX512DQ = 1u << 17,
    LEAF7_EBX_AVX512IFMA = 1u << 21,
    LEAF7_EBX_AVX512BW = 1u << 30,
    LEAF7_ECX_AVX512VBMI = 1u << 1,
    LEAF7_ECX_AVX512VBMI2 = 1u << 6,
    XCR0_VECTORS = 0xe6 /* SSE, AVX, opmask, upper halves of zmm0-15, zmm16-31 */
};

static bool vectors_are_saved(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & LEAF1_ECX_OSXSAVE) == 0)
        return false;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & XCR0_VECTORS) == XCR0_VECTORS;
}

static bool has_features(unsigned leaf7_ebx, unsigned leaf7_ecx)
{
    unsigned a, b, c, d;
    return vectors_are_saved() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & leaf7_ebx) == leaf7_ebx &&
           (c & leaf7_ecx) == leaf7_ecx;
}

bool seki_cpu_has_avx512(void)
{
    return has_features(LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW, 0);
}

bool seki_cpu_has_ifma(void)
{
    return seki_cpu_has_avx512() && has_features(LEAF7_EBX_AVX512IFMA, 0);
}

bool seki_cpu_has_crypto_mb(void)
{
    return seki_cpu_has_ifma() && has_features(LEAF7_EBX_BMI2, LEAF7_ECX_AVX512VBMI | LEAF7_ECX_AVX512VBMI2);
}

#else

bool seki_cpu_has_avx512(void)
{
    return false;
}

bool seki_cpu_has_ifma(void)
{
    return false;
}

bool seki_cpu_has_crypto_mb(void)
{
    return false;
}

#endif
