/* crl_entry.h: one entry of revokedCertificates (RFC 5280, 5.1.2.6 and 5.3). */
#ifndef SEKI_CRL_ENTRY_H
#define SEKI_CRL_ENTRY_H

#include "der.h"
#include "serial_index.h"

enum {
    SEKI_REASON_REMOVE_FROM_CRL = 8, /* CRLReason (5.3.1) */
    SEKI_CRL_ENTRY_FAST_ROOM = 56    /* octets from an entry's start that seki_crl_entry_fast may look at; 53 at most */
};

typedef struct {
    seki_revoked revoked;
    seki_span issuer; /* directoryName of certificateIssuer: a whole Name; empty if absent */
    bool negative;    /* the serial is, and `revoked.serial` holds nothing */
} seki_crl_one;

/* Reads an entry of one of the two common shapes, serial and UTCTime without or with reasonCode, and nothing else.
 *   at      an entry's first octet, with SEKI_CRL_ENTRY_FAST_ROOM octets behind it to look at
 *   within  octets left in revokedCertificates
 * Returns the entry's length, or 0 if it has another shape or any fault: seki_crl_entry_read will tell. */
size_t seki_crl_entry_fast(const uint8_t *at, uint64_t within, bool extensions_allowed, seki_revoked *out);

/* Reads the content of any entry.
 * Returns SEKI_NOT_DECIDED, SEKI_CRL_ENTRY_MALFORMED, SEKI_CRL_ENTRY_EXTENSION, or SEKI_CRL_VERSION where there are extensions
 * though `extensions_allowed` is false; then *fault is where. */
seki_reason seki_crl_entry_read(seki_span content, bool extensions_allowed, seki_crl_one *out, const uint8_t **fault);

#endif
