/* revocation_words.h: what the CRLs in force and OCSP statements say of one certificate, taken together.
 *
 * Revoked by any of them is revoked, but for a hold that a good of a later thisUpdate has lifted.  Good needs one that is good and
 * fresh.  What says unknown, or is not of the time of judgement, covers nothing and stands in the way of nothing: whoever hears
 * "unknown" may ask another source (RFC 6960, 2.2). */
#ifndef SEKI_REVOCATION_WORDS_H
#define SEKI_REVOCATION_WORDS_H

#include "revocation.h"

/* What was said so far.  Begins as zeros; the order in which words come does not matter. */
typedef struct {
    bool good, held, revoked; /* held: revoked for certificateHold; revoked: for any other reason */
    bool damaged, stale, later, unknown;
    int64_t good_oldest, good_newest; /* thisUpdate of those that are good */
    uint8_t good_by;                  /* SEKI_BY_* */
    seki_revocation_answer held_as, revoked_as;
} seki_revocation_words;

/* What the CRLs in force say. */
void seki_words_by_crl(seki_revocation_words *words, const seki_revocation_answer *answer);

/* What a statement says: nothing, where it names another certificate than the one asked about. */
void seki_words_by_ocsp(seki_revocation_words *words, const seki_ocsp_statement *statement,
                        const seki_revocation_question *question, const seki_revocation_limits *limits);

/* What they come to; SEKI_REVOCATION_UNASKED where nobody said anything. */
seki_revocation_answer seki_words_conclude(const seki_revocation_words *words);

/* Whether all of `count` statements have the form that sekisho.h demands. */
bool seki_ocsp_statements_valid(const seki_ocsp_statement *statements, uint64_t count);

#endif
