/* path_revocation.h: whether the certificates of a path are revoked (RFC 5280, 6.1.3 (a)(3) and 6.3), by what is in force and by
 * OCSP statements that came with a batch. */
#ifndef SEKI_PATH_REVOCATION_H
#define SEKI_PATH_REVOCATION_H

#include "path.h"
#include "revocation.h"

/* What one batch knows of revocation.  All NULL: nothing is configured, or the profile does not look. */
typedef struct {
    const seki_in_force *in_force;          /* CRLs; NULL: none */
    const seki_ocsp_statement *ocsp;        /* of leaves, one a row; NULL: none */
    const seki_ocsp_statement *ocsp_of_cas; /* in any order; NULL: none */
    size_t ocsp_of_cas_count;
} seki_revocation_data;

static inline bool seki_revocation_is_given(const seki_revocation_data *data)
{
    return data->in_force != NULL || data->ocsp != NULL || data->ocsp_of_cas != NULL;
}

/* What was found of the CA certificates of a path, or of a leaf. */
typedef struct {
    seki_reason reason;  /* 0: nothing speaks against it */
    bool soft;           /* let pass although its data is missing or stale */
    uint8_t by;          /* SEKI_BY_*: what counted */
    int64_t this_update; /* the oldest thisUpdate that counted; INT64_MAX: none did */
} seki_revocation_finding;

/* The CA certificates of `path` below its anchor, those sent along included.  Only for profiles that look at revocation, and where
 * data is given. */
seki_revocation_finding seki_authorities_revocation(const seki_trust *trust, const seki_path *path, const seki_profile *profile,
                                                    const seki_revocation_data *data, int64_t at);

/* The same for way `way` of the store alone. */
seki_revocation_finding seki_way_revocation(const seki_trust *trust, int32_t way, const seki_profile *profile,
                                            const seki_revocation_data *data, int64_t at);

/* What an answer means under the profile.
 *   revoked  the reason to give where it is REVOKED */
seki_revocation_finding seki_revocation_judge(const seki_revocation_answer *answer, const seki_profile *profile, seki_reason revoked);

seki_revocation_limits seki_profile_limits(const seki_profile *profile);

/* INTEGER content octets of a serial as a magnitude. */
static inline seki_span seki_serial_magnitude(seki_span serial)
{
    if (serial.length > 1 && serial.data[0] == 0)
        return (seki_span){serial.data + 1, serial.length - 1};
    return serial;
}

#endif
