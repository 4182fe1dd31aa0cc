/* ifma_emulator.c: lets AVX-512F machines without IFMA run the programs that want it, unchanged but slowly.
 *
 * A C test includes this file after defining SEKI_EMULATOR_EMBEDDED and calls begin_emulation().  Any other program,
 * Python among them, has it loaded before it:
 *
 *   cc -std=gnu11 -O2 -fPIC -shared -o ifma_emulator.so native/tests/ifma_emulator.c -ldl
 *   LD_PRELOAD=$PWD/ifma_emulator.so python -m sekisho doctor
 *
 * For tests only.  Where the CPU has AVX-512 IFMA, VBMI and VBMI2 it does nothing.  Elsewhere
 *   - CPUID is made to fault (arch_prctl ARCH_SET_CPUID, Linux 4.12, Intel since Ivy Bridge) and answers with the three
 *     features added, so that the programs find them as they would find real ones;
 *   - the instructions of them that crypto_mb's verification and our own kernels use raise SIGILL and are carried out
 *     on the registers in the signal frame: VPMADD52LUQ, VPMADD52HUQ, VPERMB, VPERMI2B, VPERMT2B, VPSHRDVQ, in all EVEX
 *     forms (Intel SDM, volume 2A, 2.7): any length, memory with disp8*N, broadcast, masks, 32 registers;
 *   - SIGILL and SIGSEGV stay ours: the program's own handlers are remembered and called for what is not emulated, and
 *     nobody blocks the two.
 * OpenSSL is told not to use IFMA (OPENSSL_ia32cap), since it is the oracle and has to be fast.
 * With SEKISHO_EMULATOR_COUNT=1 the number of instructions carried out goes to standard error at exit.  If CPUID cannot
 * be made to fault, or there is no AVX-512, a program it is loaded before ends with status 77. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    ARCH_SET_CPUID = 0x1012,
    EXIT_CANNOT = 77,
    LEAF7_EBX_AVX512F = 1 << 16,
    LEAF7_EBX_AVX512IFMA = 1 << 21,
    LEAF7_ECX_VBMI = 1 << 1,
    LEAF7_ECX_VBMI2 = 1 << 6,
    /* XSAVE state components (SDM volume 1, 13.4 and 13.5), and places in the legacy area and the header */
    COMPONENT_SSE = 1,
    COMPONENT_AVX = 2,
    COMPONENT_OPMASK = 5,
    COMPONENT_ZMM_HIGH = 6, /* bits 256-511 of zmm0-15 */
    COMPONENT_ZMM_16_31 = 7,
    COMPONENTS = 8,
    LEGACY_XMM = 160,
    XSTATE_BV = 512,
    VECTOR = 64 /* bytes */
};

static struct {
    unsigned offset, size; /* in the standard form, which signal frames use; CPUID leaf 0DH */
} component[COMPONENTS];

static struct sigaction theirs[2]; /* the program's handlers for SIGILL and SIGSEGV */
static int (*real_sigaction)(int, const struct sigaction *, struct sigaction *);
static int (*real_sigmask)(int, const sigset_t *, sigset_t *);
static atomic_ullong instructions;

/* ---- registers in the signal frame ----------------------------------------------------------- */

/* Where a component's bytes are; what the frame leaves out as being in its initial state is written out as zeros. */
static uint8_t *area(uint8_t *frame, unsigned which)
{
    uint64_t present;
    memcpy(&present, frame + XSTATE_BV, sizeof present);
    uint8_t *at = which == COMPONENT_SSE ? frame + LEGACY_XMM : frame + component[which].offset;
    if ((present >> which & 1) == 0) {
        memset(at, 0, which == COMPONENT_SSE ? 16 * 16 : component[which].size);
        present |= (uint64_t)1 << which;
        memcpy(frame + XSTATE_BV, &present, sizeof present);
    }
    return at;
}

static void read_vector(uint8_t *frame, unsigned number, uint8_t out[VECTOR])
{
    if (number >= 16) {
        memcpy(out, area(frame, COMPONENT_ZMM_16_31) + VECTOR * (number - 16), VECTOR);
        return;
    }
    memcpy(out, area(frame, COMPONENT_SSE) + 16 * number, 16);
    memcpy(out + 16, area(frame, COMPONENT_AVX) + 16 * number, 16);
    memcpy(out + 32, area(frame, COMPONENT_ZMM_HIGH) + 32 * number, 32);
}

static void write_vector(uint8_t *frame, unsigned number, const uint8_t value[VECTOR])
{
    if (number >= 16) {
        memcpy(area(frame, COMPONENT_ZMM_16_31) + VECTOR * (number - 16), value, VECTOR);
        return;
    }
    memcpy(area(frame, COMPONENT_SSE) + 16 * number, value, 16);
    memcpy(area(frame, COMPONENT_AVX) + 16 * number, value + 16, 16);
    memcpy(area(frame, COMPONENT_ZMM_HIGH) + 32 * number, value + 32, 32);
}

static uint64_t general(const ucontext_t *context, unsigned number)
{
    static const int place[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)context->uc_mcontext.gregs[place[number]];
}

/* ---- instructions ------------------------------------------------------------------------------ */

typedef enum { MADD52_LOW, MADD52_HIGH, PERMB, PERMI2B, PERMT2B, SHRDVQ, UNKNOWN } operation;

typedef struct {
    operation what;
    unsigned length; /* bytes of the instruction */
    unsigned width;  /* bytes of the vectors */
    unsigned destination, source, mask;
    bool zeroing;
    uint8_t operand[VECTOR]; /* the third one, from a register or memory */
} instruction;

static operation operation_of(unsigned map, unsigned prefix, bool wide, uint8_t opcode)
{
    if (map != 2 || prefix != 1) /* 0F 38, 66 */
        return UNKNOWN;
    if (wide) {
        switch (opcode) {
        case 0xb4:
            return MADD52_LOW;
        case 0xb5:
            return MADD52_HIGH;
        case 0x73:
            return SHRDVQ;
        default:
            return UNKNOWN;
        }
    }
    switch (opcode) {
    case 0x8d:
        return PERMB;
    case 0x75:
        return PERMI2B;
    case 0x7d:
        return PERMT2B;
    default:
        return UNKNOWN;
    }
}

/* The address that ModRM, SIB and displacement name, and how many bytes they take. */
static uint64_t address_of(const ucontext_t *context, const uint8_t *modrm, bool high_base, bool high_index,
                           unsigned scale8, const uint8_t *start, unsigned *length)
{
    const unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
    const uint8_t *next = modrm + 1;
    uint64_t address = 0;
    bool based = true, relative = false;
    unsigned base = rm;
    if (rm == 4) {
        uint8_t sib = *next++;
        unsigned index = (sib >> 3 & 7) | (high_index ? 8u : 0u);
        if (index != 4)
            address = general(context, index) << (sib >> 6);
        base = sib & 7;
        based = !(base == 5 && mod == 0);
    } else if (rm == 5 && mod == 0) {
        based = false;
        relative = true;
    }
    if (based)
        address += general(context, base | (high_base ? 8u : 0u));
    if (mod == 1) {
        address += (uint64_t)((int64_t)(int8_t)*next++ * (int64_t)scale8);
    } else if (mod == 2 || !based) {
        int32_t displacement;
        memcpy(&displacement, next, sizeof displacement);
        next += sizeof displacement;
        address += (uint64_t)(int64_t)displacement;
    }
    *length = (unsigned)(next - start);
    return relative ? address + (uint64_t)(uintptr_t)next : address;
}

/* Reads the instruction at `code`; false if it is not one of ours. */
static bool decode(const ucontext_t *context, uint8_t *frame, const uint8_t *code, instruction *out)
{
    if (code[0] != 0x62)
        return false;
    const uint8_t p0 = code[1], p1 = code[2], p2 = code[3];
    if ((p0 & 0x08) != 0 || (p1 & 0x04) == 0)
        return false;
    const bool wide = (p1 & 0x80) != 0, broadcast = (p2 & 0x10) != 0;
    const unsigned size = p2 >> 5 & 3;
    out->what = operation_of(p0 & 7, p1 & 3, wide, code[4]);
    if (out->what == UNKNOWN || size > 2)
        return false;
    out->width = 16u << size;
    out->mask = p2 & 7;
    out->zeroing = (p2 & 0x80) != 0;
    const bool r = (p0 & 0x80) == 0, x = (p0 & 0x40) == 0, b = (p0 & 0x20) == 0, r2 = (p0 & 0x10) == 0;
    const bool v2 = (p2 & 0x08) == 0;
    const uint8_t *modrm = code + 5;
    out->destination = (unsigned)(*modrm >> 3 & 7) | (r ? 8u : 0u) | (r2 ? 16u : 0u);
    out->source = (~(unsigned)p1 >> 3 & 15) | (v2 ? 16u : 0u);
    if (*modrm >> 6 == 3) {
        if (broadcast)
            return false;
        read_vector(frame, (unsigned)(*modrm & 7) | (b ? 8u : 0u) | (x ? 16u : 0u), out->operand);
        out->length = 6;
        return true;
    }
    if (broadcast && !wide)
        return false;
    const unsigned element = broadcast ? 8 : out->width;
    const uint64_t address = address_of(context, modrm, b, x, element, code, &out->length);
    for (unsigned at = 0; at < out->width; at += element)
        memcpy(out->operand + at, (const void *)(uintptr_t)address, element);
    return true;
}

static uint64_t quadword(operation what, uint64_t destination, uint64_t source, uint64_t operand)
{
    const uint64_t low52 = ((uint64_t)1 << 52) - 1;
    const unsigned __int128 product = (unsigned __int128)(source & low52) * (operand & low52);
    switch (what) {
    case MADD52_LOW:
        return destination + ((uint64_t)product & low52);
    case MADD52_HIGH:
        return destination + (uint64_t)(product >> 52);
    default: /* SHRDVQ */
        return (uint64_t)(((unsigned __int128)source << 64 | destination) >> (operand & 63));
    }
}

static void carry_out(uint8_t *frame, const instruction *todo)
{
    uint8_t destination[VECTOR], source[VECTOR], result[VECTOR] = {0};
    read_vector(frame, todo->destination, destination);
    read_vector(frame, todo->source, source);
    uint64_t mask = ~(uint64_t)0;
    if (todo->mask != 0)
        memcpy(&mask, area(frame, COMPONENT_OPMASK) + 8 * todo->mask, sizeof mask);

    const bool quadwords = todo->what == MADD52_LOW || todo->what == MADD52_HIGH || todo->what == SHRDVQ;
    const unsigned element = quadwords ? 8 : 1;
    for (unsigned i = 0; i < todo->width / element; i++) {
        uint8_t *to = result + element * i;
        if ((mask >> i & 1) == 0) {
            if (!todo->zeroing)
                memcpy(to, destination + element * i, element);
        } else if (quadwords) {
            uint64_t d, s, o;
            memcpy(&d, destination + 8 * i, 8);
            memcpy(&s, source + 8 * i, 8);
            memcpy(&o, todo->operand + 8 * i, 8);
            d = quadword(todo->what, d, s, o);
            memcpy(to, &d, 8);
        } else if (todo->what == PERMB) {
            *to = todo->operand[source[i] & (todo->width - 1)];
        } else { /* a table of two vectors */
            const uint8_t *index = todo->what == PERMI2B ? destination : source;
            const uint8_t *first = todo->what == PERMI2B ? source : destination;
            const unsigned at = index[i] & (2 * todo->width - 1);
            *to = at < todo->width ? first[at] : todo->operand[at - todo->width];
        }
    }
    write_vector(frame, todo->destination, result);
}

/* ---- signals ------------------------------------------------------------------------------------ */

static void theirs_or_death(int number, siginfo_t *info, void *context)
{
    const struct sigaction *handler = &theirs[number == SIGSEGV];
    if ((handler->sa_flags & SA_SIGINFO) != 0 && handler->sa_sigaction != NULL) {
        handler->sa_sigaction(number, info, context);
    } else if (handler->sa_handler != SIG_DFL && handler->sa_handler != SIG_IGN) {
        handler->sa_handler(number);
    } else { /* back to the instruction, which now ends the program */
        struct sigaction standard = {.sa_handler = SIG_DFL};
        (void)real_sigaction(number, &standard, NULL);
    }
}

static void on_illegal(int number, siginfo_t *info, void *given)
{
    ucontext_t *context = given;
    uint8_t *frame = (uint8_t *)context->uc_mcontext.fpregs;
    const uint8_t *code = (const uint8_t *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    instruction todo;
    unsigned done = 0;
    for (; decode(context, frame, code, &todo); done++) { /* they often stand in a row */
        carry_out(frame, &todo);
        code += todo.length;
    }
    if (done == 0) {
        theirs_or_death(number, info, given);
        return;
    }
    atomic_fetch_add_explicit(&instructions, done, memory_order_relaxed);
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)code;
}

static bool cpuid_faults(bool yes)
{
    return syscall(SYS_arch_prctl, ARCH_SET_CPUID, yes ? 0ul : 1ul) == 0;
}

static void on_fault(int number, siginfo_t *info, void *given)
{
    ucontext_t *context = given;
    greg_t *registers = context->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)(uintptr_t)registers[REG_RIP];
    /* A fault with no address of its own comes from an instruction that could be read. */
    if (info->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) {
        theirs_or_death(number, info, given);
        return;
    }
    const int saved = errno;
    unsigned a, b, c, d;
    const unsigned leaf = (unsigned)registers[REG_RAX], subleaf = (unsigned)registers[REG_RCX];
    (void)cpuid_faults(false);
    __cpuid_count(leaf, subleaf, a, b, c, d);
    (void)cpuid_faults(true);
    if (leaf == 7 && subleaf == 0) {
        b |= LEAF7_EBX_AVX512IFMA;
        c |= LEAF7_ECX_VBMI | LEAF7_ECX_VBMI2;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
    errno = saved;
}

static bool active;

int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    if (real_sigaction == NULL)
        *(void **)&real_sigaction = dlsym(RTLD_NEXT, "sigaction");
    if (!active || (number != SIGILL && number != SIGSEGV))
        return real_sigaction(number, new, old);
    struct sigaction *kept = &theirs[number == SIGSEGV];
    if (old != NULL)
        *old = *kept;
    if (new != NULL)
        *kept = *new;
    return 0;
}

sighandler_t signal(int number, sighandler_t handler)
{
    struct sigaction new = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    sigemptyset(&new.sa_mask);
    return sigaction(number, &new, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    if (real_sigmask == NULL)
        *(void **)&real_sigmask = dlsym(RTLD_NEXT, "pthread_sigmask");
    if (!active || set == NULL || how == SIG_UNBLOCK)
        return real_sigmask(how, set, old);
    sigset_t allowed = *set;
    sigdelset(&allowed, SIGILL);
    sigdelset(&allowed, SIGSEGV);
    return real_sigmask(how, &allowed, old);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    const int error = pthread_sigmask(how, set, old);
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : -1;
}

/* ---- start and end --------------------------------------------------------------------------------- */

/* NULL, or why it cannot be. */
static const char *begin_emulation(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & LEAF7_EBX_AVX512F) == 0)
        return "this CPU has no AVX-512";
    const unsigned vbmi = LEAF7_ECX_VBMI | LEAF7_ECX_VBMI2;
    if ((b & LEAF7_EBX_AVX512IFMA) != 0 && (c & vbmi) == vbmi)
        return NULL;
    for (unsigned which = COMPONENT_AVX; which < COMPONENTS; which++)
        __cpuid_count(0xd, which, component[which].size, component[which].offset, c, d);

    *(void **)&real_sigaction = dlsym(RTLD_NEXT, "sigaction");
    struct sigaction illegal = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    if (real_sigaction(SIGILL, &illegal, &theirs[0]) != 0 || real_sigaction(SIGSEGV, &fault, &theirs[1]) != 0)
        return "sigaction failed";
    active = true;
    (void)setenv("OPENSSL_ia32cap", ":~0x200000", 0);
    if (!cpuid_faults(true))
        return "this kernel or CPU cannot make CPUID fault";
    return NULL;
}

#ifndef SEKI_EMULATOR_EMBEDDED

__attribute__((constructor)) static void start(void)
{
    const char *why = begin_emulation();
    if (why != NULL) {
        fprintf(stderr, "ifma_emulator: %s\n", why);
        _exit(EXIT_CANNOT);
    }
}

#endif

__attribute__((destructor)) static void end(void)
{
    const char *wanted = getenv("SEKISHO_EMULATOR_COUNT");
    if (wanted != NULL && strcmp(wanted, "1") == 0)
        fprintf(stderr, "ifma_emulator: %llu instructions\n", atomic_load(&instructions));
}
