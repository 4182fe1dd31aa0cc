/* crl_openssl.c: reads a CRL with OpenSSL: parses it, verifies its signature, extracts serial, date and reason of every entry.
 *
 *     crl_openssl CRL CERTIFICATE LOOKUPS     prints: seconds of CPU, entries, checksum, look-ups a second, peak of memory beyond the file
 *
 * Checksum: the sum over all entries of serial mod 2^32, date and reason. */
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>

typedef struct {
    uint64_t serial;
    int64_t date;
    int reason;
} entry;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const unsigned char *map(const char *path, size_t *size)
{
    struct stat about;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &about) != 0)
        exit(2);
    *size = (size_t)about.st_size;
    return mmap(NULL, *size, PROT_READ, MAP_PRIVATE, file, 0);
}

int main(int argc, char **argv)
{
    size_t size, certificate_size;
    if (argc != 4)
        return 2;
    const unsigned char *der = map(argv[1], &size), *certificate = map(argv[2], &certificate_size);
    X509 *issuer = d2i_X509(NULL, &certificate, (long)certificate_size);
    double start = seconds();
    X509_CRL *crl = d2i_X509_CRL(NULL, &der, (long)size);
    if (issuer == NULL || crl == NULL || X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
        return 1;
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
    int count = sk_X509_REVOKED_num(list);
    entry *entries = malloc(sizeof *entries * (size_t)(count > 0 ? count : 1));
    uint64_t sum = 0;
    for (int i = 0; i < count; i++) {
        X509_REVOKED *one = sk_X509_REVOKED_value(list, i);
        struct tm tm;
        int critical;
        if (ASN1_INTEGER_get_uint64(&entries[i].serial, X509_REVOKED_get0_serialNumber(one)) != 1
            || ASN1_TIME_to_tm(X509_REVOKED_get0_revocationDate(one), &tm) != 1)
            return 1;
        entries[i].date = timegm(&tm);
        ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(one, NID_crl_reason, &critical, NULL);
        entries[i].reason = reason != NULL ? (int)ASN1_ENUMERATED_get(reason) : 0;
        ASN1_ENUMERATED_free(reason);
        sum += (entries[i].serial & UINT32_MAX) + (uint64_t)entries[i].date + (uint64_t)entries[i].reason;
    }
    X509_REVOKED *found;
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_INTEGER_set_uint64(serial, 1);
    (void)X509_CRL_get0_by_serial(crl, &found, serial); /* sorts */
    double taken = seconds() - start;
    long lookups = atol(argv[3]), hits = 0;
    start = seconds();
    for (long i = 0; i < lookups && count > 0; i++) {
        ASN1_INTEGER_set_uint64(serial, entries[(uint64_t)i * 2654435761u % (uint64_t)count].serial);
        hits += X509_CRL_get0_by_serial(crl, &found, serial) == 1;
    }
    double looked = seconds() - start;
    long peak = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        (void)sscanf(line, "VmHWM: %ld", &peak);
    printf("{\"seconds\": %.4f, \"entries\": %d, \"checksum\": %llu, \"per_s\": %.0f, \"hits\": %ld, \"peak\": %ld}\n", taken, count,
           (unsigned long long)sum, looked > 0 ? (double)lookups / looked : 0.0, hits, peak * 1024 - (long)size);
    return 0;
}
