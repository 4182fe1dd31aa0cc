/* sent_chain.h: the search for a path over CA certificates that came with a login, and by names that match in normal form alone.
 *
 * What was sent is a stranger's until its signature verifies: read by our reader, judged as a CA, each signature
 * checked natively, all under a budget; what it constrains is then judged with the whole path (judge.h). */
#ifndef SEKI_SENT_CHAIN_H
#define SEKI_SENT_CHAIN_H

#include "judge.h"

enum {
    SEKI_SENT_SIGNATURES_MIN = 12,  /* signature checks that a search may cost, */
    SEKI_SENT_SIGNATURES_SHARE = 3, /* or so many for each certificate that the profile lets a login bring */
    SEKI_SENT_STEPS_MAX = 1024,     /* possible issuers looked at: among 16 certificates there are 256 pairs */
    SEKI_SENT_RSA_BITS_MAX = 4096, /* of a sent CA's key, which anybody can have made: RSA-8192 costs four times as much */
    SEKI_SENT_EXPONENT_BITS_MAX = 33 /* nobody uses more (spki.h); 64 bits cost four times as much */
};

/* Looks for a way from the row's leaf over row->intermediates, in any order or none of them, to an issuer of the trust store up
 * from which `judgement` takes a way, going back where a way ends (RFC 4158, 2.4.2; OpenSSL's builder does not).
 *   tried     of the issuers that row->candidates names, those that need no further look
 *   straight  no more than a chain that leads straight up takes: a signature for each certificate, and one whole path
 * Returns 0 if a path was taken: its window stands in the judgement (what was sent is read no more), and row->cached.entry.issuer is
 * the leaf's issuer.  Else the reason.
 * *signatures is how many were checked, whatever the outcome. */
seki_reason seki_sent_chain(seki_judgement *judgement, seki_workspace *space, size_t tried, bool straight,
                            size_t *signatures);

#endif
