/* sent_chain.h: CA certificates that came with a login, between its leaf and the trust store.
 *
 * They are strangers until their signatures verify: read by our reader, judged as CAs, each signature
 * checked natively, all under a budget; what they constrain is then for OpenSSL (slow_path.h). */
#ifndef SEKI_SENT_CHAIN_H
#define SEKI_SENT_CHAIN_H

#include "engine.h"

enum { SEKI_SENT_SIGNATURES_MAX = 12 }; /* signature checks a login with sent certificates may cost */

/* Finds the way from row->leaf over row->intermediates to an issuer of `trust`.
 * Sets row->issuer, sent, sent_count and the window of the sent certificates; 0, or the reason. */
seki_reason seki_sent_chain(const seki_trust *trust, const seki_profile *profile, seki_workspace *space, seki_login_row *row);

#endif
