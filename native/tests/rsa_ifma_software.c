/* The IFMA kernel with its two multiplications done by other instructions; see rsa_ifma.c. */
#define SEKI_IFMA_SOFTWARE 1
#include "../src/rsa_ifma.c"
