/* test_rsa_emulated.c: test_rsa_lanes.c for the kernels that want IFMA, emulated where the CPU has none. */
#if defined(__x86_64__)

#define SEKI_EMULATOR_EMBEDDED
#include "ifma_emulator.c"
#include "test_rsa_lanes.c"

#else

#include <stdio.h>

int main(void)
{
    printf("test_rsa_emulated: of x86-64 only\n");
    return 0;
}

#endif
