/* mode.h: the parts of a signature mode (sekisho.h, "signatures") and which keys can use it. */
#ifndef SEKI_MODE_H
#define SEKI_MODE_H

#include "spki.h"

static inline unsigned seki_mode_family(uint32_t mode)
{
    return mode & 0xff;
}

static inline unsigned seki_mode_hash(uint32_t mode)
{
    return mode >> 8 & 0xff;
}

static inline unsigned seki_mode_mgf1(uint32_t mode)
{
    return mode >> 16 & 0xff;
}

/* bytes */
static inline unsigned seki_mode_salt(uint32_t mode)
{
    return mode >> 24;
}

static inline uint32_t seki_mode_make(unsigned family, unsigned hash, unsigned mgf1, unsigned salt)
{
    return family | hash << 8 | mgf1 << 16 | salt << 24;
}

static inline bool seki_hash_signs(unsigned hash)
{
    return hash == SEKI_HASH_SHA256 || hash == SEKI_HASH_SHA384 || hash == SEKI_HASH_SHA512;
}

/* Whether every part of `mode` has a defined value and unused parts are 0. */
static inline bool seki_mode_known(uint32_t mode)
{
    unsigned hash = seki_mode_hash(mode), mgf1 = seki_mode_mgf1(mode), salt = seki_mode_salt(mode);
    switch (seki_mode_family(mode)) {
    case SEKI_FAMILY_PKCS1:
    case SEKI_FAMILY_PKCS1_BARE:
    case SEKI_FAMILY_ECDSA_DER:
    case SEKI_FAMILY_ECDSA_RAW:
        return seki_hash_signs(hash) && mgf1 == 0 && salt == 0;
    case SEKI_FAMILY_PKCS1_RAW:
    case SEKI_FAMILY_ED25519:
        return hash == 0 && mgf1 == 0 && salt == 0;
    case SEKI_FAMILY_PSS:
        return seki_hash_signs(hash) && (seki_hash_signs(mgf1) || mgf1 == SEKI_HASH_SHA1);
    default:
        return false;
    }
}

static inline bool seki_mode_fits(uint32_t mode, seki_key_kind kind)
{
    switch (seki_mode_family(mode)) {
    case SEKI_FAMILY_PKCS1:
    case SEKI_FAMILY_PKCS1_BARE:
    case SEKI_FAMILY_PKCS1_RAW:
    case SEKI_FAMILY_PSS:
        return kind == SEKI_KEY_RSA;
    case SEKI_FAMILY_ECDSA_DER:
    case SEKI_FAMILY_ECDSA_RAW:
        return kind == SEKI_KEY_P256 || kind == SEKI_KEY_P384;
    case SEKI_FAMILY_ED25519:
        return kind == SEKI_KEY_ED25519;
    default:
        return false;
    }
}

#endif
