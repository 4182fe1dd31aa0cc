/* stages.h: the stages of a login, in their order (login.h). */
#ifndef SEKI_STAGES_H
#define SEKI_STAGES_H

#include "engine.h"
#include "path_revocation.h"
#include "valkey.h"

struct seki_verifier {
    seki_engine *engine;
    const seki_trust *trust;
    seki_profile profile;
    seki_revocation *revocation; /* NULL: none is configured */
    uint64_t purpose;           /* what its findings are kept under: the profile's id, and for which ways it is */
    uint8_t *allowed;           /* a way of the store each: 1 if its leaves are for this profile */
    _Atomic uint8_t *admitted;  /* a way each: 1 once OpenSSL has accepted a whole chain of it for this profile */
};

/* One call, shared by its workers. */
typedef struct {
    seki_verifier *verifier;
    const seki_login_batch *batch;
    const seki_login_input *inputs;  /* its rows where they lie apart; NULL: they are in the batch's columns */
    bool logins;                     /* false: certificates only, without challenge and signature */
    seki_verdict *out;
    seki_revocation_data revocation; /* of the whole call */
    uint16_t batch_reason;           /* a reason that holds for every row (CLOCK_WENT_BACK), or 0 */
    uint32_t doubts;                 /* seki_kernels_doubts, from before the first signature */
    _Atomic uint32_t claimed_under;  /* the least of seki_kernels_doubts under which a range was claimed */
    _Atomic uint64_t confirmations;
    _Atomic uint64_t wasted;         /* signatures checked for chains that were sent and led nowhere */
    _Atomic uint32_t status;
    seki_shared_claim *shared;       /* rows that the machine's own set has granted, where claims are shared: room for all */
    _Atomic uint64_t shared_count;
} seki_login_call;

/* As seki_verify_logins, or where not `logins` as seki_verify_certificates, over rows that lie apart: the batch has no columns.
 * Neither binding nor transaction in a row where the profile's challenges are foreign. */
SEKI_MUST_USE seki_status seki_verify_inputs(seki_verifier *verifier, const seki_login_batch *batch, const seki_login_input *inputs,
                                             bool logins, seki_verdict *out);

/* The fields are there and within their limits. */
void seki_stage_wire(seki_login_call *call, seki_login_row *rows, size_t count);
/* The challenge is authentic, for us, in time and not locked (own), or of a form that can do no harm (foreign). */
void seki_stage_challenge(seki_login_call *call, seki_login_row *rows, size_t count);
/* The certificate is known, or well formed and of the profile's kind. */
void seki_stage_certificate(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
/* The certificate was issued under the trust store, by a CA that may. */
void seki_stage_issuer(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
/* The holder's key signed the challenge. */
void seki_stage_signature(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
/* Nothing on the path is revoked. */
void seki_stage_revocation(seki_login_call *call, seki_workspace *space, seki_login_row *rows, size_t count);
/* The challenge is claimed: only this makes a login accepted. */
void seki_stage_claim(seki_login_call *call, seki_login_row *rows, size_t count);

#endif
