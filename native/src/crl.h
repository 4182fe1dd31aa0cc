/* crl.h: what the rest of the core takes from a CRL that was read to its end (the reader itself: sekisho.h, "CRLs"). */
#ifndef SEKI_CRL_H
#define SEKI_CRL_H

#include "../include/sekisho.h"
#include "crl_sets.h"

/* The sets of a CRL that seki_crl_end found good; NULL for any other.  Set 0 is the CRL issuer's own and always there. */
seki_crl_sets *seki_crl_sets_of(seki_crl *crl);

#endif
