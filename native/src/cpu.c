#include "cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

/* Intel SDM, volume 2A, CPUID; volume 1, 14.3 and 14.7.1: detecting AVX, AVX2, FMA; 15.2 to 15.4: AVX-512. */
enum {
    LEAF1_ECX_FMA = 1u << 12,
    LEAF1_ECX_OSXSAVE = 1u << 27,
    LEAF1_ECX_AVX = 1u << 28,
    LEAF7_EBX_AVX2 = 1u << 5,
    LEAF7_EBX_BMI2 = 1u << 8,
    LEAF7_EBX_AVX512F = 1u << 16,
    LEAF7_EBX_AVX512DQ = 1u << 17,
    LEAF7_EBX_AVX512IFMA = 1u << 21,
    LEAF7_EBX_AVX512BW = 1u << 30,
    LEAF7_ECX_AVX512VBMI = 1u << 1,
    LEAF7_ECX_AVX512VBMI2 = 1u << 6,
    XCR0_YMM = 0x06,    /* SSE, AVX */
    XCR0_VECTORS = 0xe6 /* SSE, AVX, opmask, upper halves of zmm0-15, zmm16-31 */
};

static bool has_saved(unsigned leaf1_ecx, uint32_t state)
{
    unsigned a, b, c, d;
    leaf1_ecx |= LEAF1_ECX_OSXSAVE;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & leaf1_ecx) != leaf1_ecx)
        return false;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & state) == state;
}

static bool has_leaf7(unsigned leaf7_ebx, unsigned leaf7_ecx)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & leaf7_ebx) == leaf7_ebx &&
           (c & leaf7_ecx) == leaf7_ecx;
}

static bool has_features(unsigned leaf7_ebx, unsigned leaf7_ecx)
{
    return has_saved(0, XCR0_VECTORS) && has_leaf7(leaf7_ebx, leaf7_ecx);
}

bool seki_cpu_has_avx2(void)
{
    return has_saved(LEAF1_ECX_FMA | LEAF1_ECX_AVX, XCR0_YMM) && has_leaf7(LEAF7_EBX_AVX2, 0);
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

bool seki_cpu_has_avx2(void)
{
    return false;
}

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
