/* test_ifma_emulator.c: the instructions that ifma_emulator.c carries out, in the forms in which EVEX can write them,
 * against their definition in the Intel SDM (volume 2, VPMADD52LUQ ... VPSHRDVQ) spelled out below.
 *
 *   cc -std=gnu11 -O2 native/tests/test_ifma_emulator.c -o test_ifma_emulator
 *
 * On a CPU that has them it holds the definitions against the CPU.  Exit status 0 if everything held. */
#if defined(__x86_64__)

#define SEKI_EMULATOR_EMBEDDED
#include "ifma_emulator.c"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 50 };

typedef union {
    uint64_t q[8];
    uint8_t b[VECTOR];
} vector;

/* What an instruction gets and gives.  The operand is in a register or in memory. */
typedef struct {
    vector destination, source, operand;
    uint64_t mask;
    vector memory[9]; /* the operand is [4]; what stands around it differs, so that a wrong address shows */
    vector after;     /* the destination, all 512 bits */
} state;

typedef enum { LUQ, HUQ, BYTES, INDEX_GOES, TABLE_GOES, FUNNEL } definition;
typedef enum { REGISTER, MEMORY, BROADCAST } operand_kind;
typedef enum { PLAIN, MERGING, ZEROING } masking;

typedef struct {
    const char *name;
    void (*run)(state *);
    definition what;
    unsigned width; /* bytes */
    operand_kind operand;
    masking masked;
} form;

/* ---- the forms ---------------------------------------------------------------------------------- */

__attribute__((used, aligned(64))) static vector fixed[2];

/* Ways to memory[4], 256 bytes from p: what each register holds is set below. */
#define BY_DISPLACEMENT "256(%%r9)"         /* p; disp8 times the size, where that divides */
#define BY_LONG "100256(%%rax)"             /* p - 100000; disp32 */
#define BY_R12 "(%%r12)"                    /* p + 256; wants a SIB byte */
#define BY_R13 "(%%r13)"                    /* p + 256; wants a displacement of 0 */
#define BY_LESS "-64(%%r10)"                /* p + 320; a negative disp8 */
#define BY_INDEX "(%%rcx,%%rbx,4)"          /* p + 4 * 64 */
#define BY_HIGH_INDEX "192(%%r9,%%r14,8)"   /* p + 8 * 8 */
#define BY_INDEX_ALONE "256(,%%r9,1)"       /* no base */
#define BY_RIP "fixed+64(%%rip)"            /* fixed[1], a copy */

/* One instruction between known registers.  D, S, O are the numbers of the vector registers. */
#define FORM(NAME, WHAT, ID, L, D, S, O, THIRD, MASK)                                                                  \
    __attribute__((target("avx512f,avx512bw"))) static void run_##NAME##_##ID(state *x)                                \
    {                                                                                                                  \
        fixed[1] = x->memory[4];                                                                                       \
        __asm__ volatile("vmovdqu64 %[d], %%zmm" #D "\n\tvmovdqu64 %[s], %%zmm" #S "\n\tvmovdqu64 %[o], %%zmm" #O      \
                         "\n\tkmovq %[k], %%k3\n\tmovq %[p], %%r9\n\tleaq -100000(%%r9), %%rax\n\t"                    \
                         "leaq 256(%%r9), %%r12\n\tmovq %%r12, %%r13\n\tleaq 320(%%r9), %%r10\n\t"                     \
                         "movq %%r9, %%rcx\n\tmovl $64, %%ebx\n\tmovl $8, %%r14d\n\t" #NAME " " THIRD ", %%" #L #S     \
                         ", %%" #L #D MASK "\n\tvmovdqu64 %%zmm" #D ", %[after]"                                       \
                         : [after] "=m"(x->after)                                                                      \
                         : [d] "m"(x->destination), [s] "m"(x->source), [o] "m"(x->operand), [k] "m"(x->mask),         \
                           [p] "rm"(x->memory), "m"(*x), "m"(fixed)                                                    \
                         : "rax", "rcx", "rbx", "r9", "r10", "r12", "r13", "r14", "k3", "xmm" #D, "xmm" #S, "xmm" #O); \
    }

#define NO_MASK ""
#define MERGE "%{%%k3%}"
#define ZERO "%{%%k3%}%{z%}"

/* X(name, what, id, length, registers, third operand, mask, and for the table: bytes, kind, masking) */
#define COMMON_FORMS(X, NAME, WHAT)                                                    \
    X(NAME, WHAT, 1, zmm, 1, 2, 3, "%%zmm3", NO_MASK, 64, REGISTER, PLAIN)             \
    X(NAME, WHAT, 2, zmm, 9, 18, 27, "%%zmm27", MERGE, 64, REGISTER, MERGING)          \
    X(NAME, WHAT, 3, zmm, 31, 15, 16, "%%zmm16", ZERO, 64, REGISTER, ZEROING)          \
    X(NAME, WHAT, 4, ymm, 20, 5, 12, "%%ymm12", NO_MASK, 32, REGISTER, PLAIN)          \
    X(NAME, WHAT, 5, ymm, 8, 24, 7, "%%ymm7", MERGE, 32, REGISTER, MERGING)            \
    X(NAME, WHAT, 6, ymm, 0, 31, 23, "%%ymm23", ZERO, 32, REGISTER, ZEROING)           \
    X(NAME, WHAT, 7, xmm, 15, 16, 8, "%%xmm8", NO_MASK, 16, REGISTER, PLAIN)           \
    X(NAME, WHAT, 8, xmm, 17, 1, 30, "%%xmm30", MERGE, 16, REGISTER, MERGING)          \
    X(NAME, WHAT, 9, xmm, 6, 22, 14, "%%xmm14", ZERO, 16, REGISTER, ZEROING)           \
    X(NAME, WHAT, 10, zmm, 2, 17, 4, BY_DISPLACEMENT, NO_MASK, 64, MEMORY, PLAIN)      \
    X(NAME, WHAT, 11, zmm, 16, 3, 4, BY_LONG, NO_MASK, 64, MEMORY, PLAIN)              \
    X(NAME, WHAT, 12, zmm, 30, 29, 4, BY_R12, MERGE, 64, MEMORY, MERGING)              \
    X(NAME, WHAT, 13, zmm, 7, 8, 4, BY_R13, ZERO, 64, MEMORY, ZEROING)                 \
    X(NAME, WHAT, 14, zmm, 5, 25, 4, BY_LESS, NO_MASK, 64, MEMORY, PLAIN)              \
    X(NAME, WHAT, 15, zmm, 21, 10, 4, BY_INDEX, NO_MASK, 64, MEMORY, PLAIN)            \
    X(NAME, WHAT, 16, zmm, 11, 28, 4, BY_HIGH_INDEX, NO_MASK, 64, MEMORY, PLAIN)       \
    X(NAME, WHAT, 17, zmm, 26, 0, 4, BY_INDEX_ALONE, NO_MASK, 64, MEMORY, PLAIN)       \
    X(NAME, WHAT, 18, zmm, 12, 19, 4, BY_RIP, NO_MASK, 64, MEMORY, PLAIN)              \
    X(NAME, WHAT, 19, ymm, 3, 20, 4, BY_DISPLACEMENT, NO_MASK, 32, MEMORY, PLAIN)      \
    X(NAME, WHAT, 20, ymm, 19, 13, 4, BY_LESS, MERGE, 32, MEMORY, MERGING)             \
    X(NAME, WHAT, 21, ymm, 14, 6, 4, BY_RIP, ZERO, 32, MEMORY, ZEROING)                \
    X(NAME, WHAT, 22, xmm, 1, 31, 4, BY_DISPLACEMENT, NO_MASK, 16, MEMORY, PLAIN)      \
    X(NAME, WHAT, 23, xmm, 29, 2, 4, BY_LESS, ZERO, 16, MEMORY, ZEROING)               \
    X(NAME, WHAT, 24, xmm, 10, 9, 4, BY_HIGH_INDEX, MERGE, 16, MEMORY, MERGING)

#define BROADCAST_FORMS(X, NAME, WHAT)                                                              \
    X(NAME, WHAT, 25, zmm, 1, 17, 4, BY_DISPLACEMENT "%{1to8%}", NO_MASK, 64, BROADCAST, PLAIN)     \
    X(NAME, WHAT, 26, zmm, 22, 5, 4, BY_LESS "%{1to8%}", MERGE, 64, BROADCAST, MERGING)             \
    X(NAME, WHAT, 27, zmm, 8, 30, 4, BY_R13 "%{1to8%}", ZERO, 64, BROADCAST, ZEROING)               \
    X(NAME, WHAT, 28, zmm, 18, 11, 4, BY_RIP "%{1to8%}", NO_MASK, 64, BROADCAST, PLAIN)             \
    X(NAME, WHAT, 29, ymm, 15, 21, 4, BY_DISPLACEMENT "%{1to4%}", NO_MASK, 32, BROADCAST, PLAIN)    \
    X(NAME, WHAT, 30, ymm, 25, 0, 4, BY_HIGH_INDEX "%{1to4%}", MERGE, 32, BROADCAST, MERGING)       \
    X(NAME, WHAT, 31, xmm, 13, 26, 4, BY_LESS "%{1to2%}", NO_MASK, 16, BROADCAST, PLAIN)            \
    X(NAME, WHAT, 32, xmm, 28, 7, 4, BY_LONG "%{1to2%}", ZERO, 16, BROADCAST, ZEROING)

#define ALL_FORMS(X)                             \
    COMMON_FORMS(X, vpmadd52luq, LUQ)      \
    BROADCAST_FORMS(X, vpmadd52luq, LUQ)   \
    COMMON_FORMS(X, vpmadd52huq, HUQ)      \
    BROADCAST_FORMS(X, vpmadd52huq, HUQ)   \
    COMMON_FORMS(X, vpshrdvq, FUNNEL)            \
    BROADCAST_FORMS(X, vpshrdvq, FUNNEL)         \
    COMMON_FORMS(X, vpermb, BYTES)               \
    COMMON_FORMS(X, vpermi2b, INDEX_GOES)           \
    COMMON_FORMS(X, vpermt2b, TABLE_GOES)

#define DEFINE(NAME, WHAT, ID, L, D, S, O, THIRD, MASK, WIDTH, KIND, MASKED) FORM(NAME, WHAT, ID, L, D, S, O, THIRD, MASK)
#define ENTRY(NAME, WHAT, ID, L, D, S, O, THIRD, MASK, WIDTH, KIND, MASKED) \
    {#NAME " " THIRD ", " #L #S ", " #L #D MASK, run_##NAME##_##ID, WHAT, WIDTH, KIND, MASKED},

ALL_FORMS(DEFINE)

static const form forms[] = {ALL_FORMS(ENTRY)};

/* ---- what they should give ---------------------------------------------------------------------- */

static uint64_t random_state = 1;

static uint64_t random_bits(void) /* splitmix64 */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* The definitions, bit by bit where that is plainest. */
static uint64_t defined(definition what, uint64_t d, uint64_t s, uint64_t o)
{
    if (what == FUNNEL) {
        uint64_t out = 0;
        for (unsigned bit = 0; bit < 64; bit++) {
            const unsigned from = bit + (unsigned)(o & 63);
            out |= ((from < 64 ? d >> from : s >> (from - 64)) & 1) << bit;
        }
        return out;
    }
    uint64_t low = 0, high = 0; /* of the 104-bit product, 52 bits each */
    for (int bit = 51; bit >= 0; bit--) {
        high = high << 1 | low >> 51;
        low = low << 1 & 0xfffffffffffff;
        if ((o >> bit & 1) != 0) {
            low += s & 0xfffffffffffff;
            high += low >> 52;
            low &= 0xfffffffffffff;
        }
    }
    return d + (what == LUQ ? low : high);
}

static vector expected(const form *f, const state *x)
{
    vector out = {.q = {0}}, operand = f->operand == REGISTER ? x->operand : x->memory[4];
    if (f->operand == BROADCAST)
        for (unsigned i = 0; i < 8; i++)
            operand.q[i] = x->memory[4].q[0];
    const bool bytes = f->what == BYTES || f->what == INDEX_GOES || f->what == TABLE_GOES;
    for (unsigned i = 0; i < f->width / (bytes ? 1 : 8); i++) {
        const bool chosen = f->masked == PLAIN || (x->mask >> i & 1) != 0;
        if (!chosen && f->masked == ZEROING)
            continue;
        if (!bytes) {
            out.q[i] = chosen ? defined(f->what, x->destination.q[i], x->source.q[i], operand.q[i]) : x->destination.q[i];
            continue;
        }
        uint8_t index, value = 0;
        switch (f->what) {
        case BYTES:
            value = operand.b[x->source.b[i] % f->width];
            break;
        case INDEX_GOES:
            index = x->destination.b[i];
            value = (index & f->width) != 0 ? operand.b[index % f->width] : x->source.b[index % f->width];
            break;
        default:
            index = x->source.b[i];
            value = (index & f->width) != 0 ? operand.b[index % f->width] : x->destination.b[index % f->width];
        }
        out.b[i] = chosen ? value : x->destination.b[i];
    }
    return out;
}

int main(void)
{
    const char *why = begin_emulation();
    if (why != NULL) {
        printf("test_ifma_emulator: nothing to emulate: %s\n", why);
        return 0;
    }
    size_t failures = 0, done = 0;
    state x;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t k = 0; k < sizeof forms / sizeof *forms; k++, done++) {
            uint64_t *const words = (uint64_t *)&x;
            for (size_t i = 0; i < sizeof x / sizeof *words; i++)
                words[i] = round % 3 == 1 && (random_bits() & 1) != 0 ? ~(uint64_t)0 : random_bits();
            const state before = x;
            const vector wanted = expected(&forms[k], &x);
            forms[k].run(&x);
            if (memcmp(&wanted, &x.after, sizeof wanted) != 0) {
                fprintf(stderr, "FAILED: %s\n", forms[k].name);
                if (++failures > 20)
                    return 1;
            }
            x.after = before.after;
            if (memcmp(&before, &x, sizeof x) != 0) {
                fprintf(stderr, "FAILED: %s changed an input\n", forms[k].name);
                return 1;
            }
        }
    }
    if (failures > 0)
        return 1;
    printf("test_ifma_emulator: ok, %zu forms, %zu executions\n", sizeof forms / sizeof *forms, done);
    return 0;
}

#else

#include <stdio.h>

int main(void)
{
    printf("test_ifma_emulator: of x86-64 only\n");
    return 0;
}

#endif
