/* judge.h: of the ways up from a key that signed, the first that the verifier takes.
 *
 * A key is one, its ways are several (trust.h): the way that ran out, whose CA is for other purposes or whose constraints forbid
 * the leaf does not stand in the way of the next. */
#ifndef SEKI_JUDGE_H
#define SEKI_JUDGE_H

#include "stages.h"

enum { SEKI_PATHS_ASKED_MAX = 8 }; /* whole paths of one login that OpenSSL is asked about */

/* Everything that was judged for one row. */
typedef struct {
    seki_verifier *verifier;
    const seki_revocation_data *revocation; /* of the call */
    seki_login_row *row;
    seki_path path;     /* the one that was taken, if one was */
    seki_reason reason; /* the most useful of those against the others; ISSUER_UNKNOWN as long as there is none, never 0 */
    size_t judged;      /* ways that were refused */
    bool cut;           /* not all was judged: a bound was met */
    bool lasting;       /* all refusals follow from the certificates, in a window of time */
    int64_t from, to;   /* that window */
    size_t asked;       /* whole paths that OpenSSL was asked about */
    size_t refused;     /* certificates on those of them that were refused: a signature each to OpenSSL */
} seki_judgement;

void seki_judgement_begin(seki_judgement *judgement, seki_verifier *verifier, const seki_revocation_data *revocation,
                          seki_login_row *row);

/* Judges every way up from `head`, which stands for a name and key of the trust store and signed the row's leaf, or the last of
 * the certificates sent.
 *   below  sent certificates, names_differ and window of what stands below; the rest is set here
 * True if a way was taken: judgement->path is the path.  False: judgement->reason and the rest tell why. */
bool seki_judge(seki_judgement *judgement, int32_t head, const seki_path *below);

/* Whether nothing more is to be tried for the row: a bound is met or the engine failed. */
bool seki_judgement_ends(const seki_judgement *judgement);

/* The reason to give when no way was taken. */
seki_reason seki_judgement_reason(const seki_judgement *judgement);

#endif
