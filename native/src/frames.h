/* frames.h: the frames of the socket server as bytes (docs/PROTOCOL.md, "Frames").
 *
 * No I/O and no state: what a frame says, or which rule it breaks.  Spans borrow the payload. */
#ifndef SEKI_FRAMES_H
#define SEKI_FRAMES_H

#include "../include/sekisho.h"
#include "login.h"

enum {
    SEKI_ERROR_SIZE = 32,     /* bytes of an error's payload, a verdict's too: answers to logins are all of one size */
    SEKI_WELCOME_SIZE = 40,   /* bytes */
    SEKI_STATS_ROW_SIZE = 16, /* bytes */
    SEKI_REFERENCE_SIZE = 32  /* bytes: a SHA-256 */
};

typedef struct {
    uint32_t length; /* bytes of the payload */
    uint8_t kind;
    uint8_t flags;
    uint64_t id;
} seki_frame_header;

/* SEKI_WIRE_OK or SEKI_WIRE_FRAME_MALFORMED; written either way. */
SEKI_MUST_USE seki_wire_code seki_frame_read_header(const uint8_t bytes[SEKI_FRAME_HEADER_SIZE], seki_frame_header *out);
void seki_frame_write_header(const seki_frame_header *header, uint8_t out[SEKI_FRAME_HEADER_SIZE]);

typedef struct {
    uint32_t features, tenant, frame_bytes;
} seki_hello;

/* SEKI_WIRE_OK, SEKI_WIRE_HELLO_MALFORMED or SEKI_WIRE_VERSION_UNSUPPORTED. */
SEKI_MUST_USE seki_wire_code seki_hello_read(uint8_t flags, seki_span payload, seki_hello *out);

typedef struct {
    uint32_t features, frame_bytes, requests, challenges, deadline_ms, idle_s, profile;
    int64_t time;
} seki_welcome;

void seki_welcome_write(const seki_welcome *welcome, uint8_t out[SEKI_WELCOME_SIZE]);

/* What a request says; the members that its kind has. */
typedef struct {
    uint32_t deadline_ms;
    uint32_t profile;
    seki_login_input login;                         /* login; certificate: the first two; signature: `signature` */
    uint32_t mode;                                  /* signature */
    seki_span key, message;                         /* signature */
    uint32_t count;                                 /* revocation, challenges */
    uint32_t lifetime;                              /* challenges */
    seki_span references;                           /* revocation: count * SEKI_REFERENCE_SIZE bytes */
    seki_span binding_sizes, bindings, transactions; /* challenges: empty where the flag is not set */
} seki_request;

/* Of a kind from SEKI_FRAME_CHALLENGES to SEKI_FRAME_REVOCATION: SEKI_WIRE_OK, SEKI_WIRE_REQUEST_MALFORMED or SEKI_WIRE_TOO_MUCH. */
SEKI_MUST_USE seki_wire_code seki_request_read(uint8_t kind, uint8_t flags, seki_span payload, seki_request *out);

/* Whether an error with this code ends the connection. */
bool seki_wire_ends(seki_wire_code code);

/* An error, header included. */
void seki_error_write(seki_wire_code code, uint8_t kind, uint64_t id, uint32_t retry_ms,
                      uint8_t out[SEKI_FRAME_HEADER_SIZE + SEKI_ERROR_SIZE]);

static inline uint16_t seki_read_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t seki_read_u32(const uint8_t *at)
{
    return (uint32_t)seki_read_u16(at) | (uint32_t)seki_read_u16(at + 2) << 16;
}

static inline uint64_t seki_read_u64(const uint8_t *at)
{
    return (uint64_t)seki_read_u32(at) | (uint64_t)seki_read_u32(at + 4) << 32;
}

static inline void seki_write_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void seki_write_u32(uint8_t *at, uint32_t value)
{
    seki_write_u16(at, (uint16_t)value);
    seki_write_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void seki_write_u64(uint8_t *at, uint64_t value)
{
    seki_write_u32(at, (uint32_t)value);
    seki_write_u32(at + 4, (uint32_t)(value >> 32));
}

#endif
