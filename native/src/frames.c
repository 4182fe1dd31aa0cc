#include "frames.h"

static const uint8_t magic[8] = {'s', 'e', 'k', 'i', 's', 'h', 'o', 0};

/* What of a payload was not read yet. */
typedef struct {
    const uint8_t *at;
    size_t left;
    bool good; /* nothing was missing so far */
} reader;

static seki_span take(reader *in, size_t length)
{
    seki_span out = {in->at, 0};
    if (!in->good || length > in->left) {
        in->good = false;
        return out;
    }
    out.length = length;
    in->at += length;
    in->left -= length;
    return out;
}

static bool zeros(const uint8_t *at, size_t length)
{
    uint8_t any = 0;
    for (size_t i = 0; i < length; i++)
        any |= at[i];
    return any == 0;
}

seki_wire_code seki_frame_read_header(const uint8_t bytes[SEKI_FRAME_HEADER_SIZE], seki_frame_header *out)
{
    *out = (seki_frame_header){
        .length = seki_read_u32(bytes), .kind = bytes[4], .flags = bytes[5], .id = seki_read_u64(bytes + 8)};
    return zeros(bytes + 6, 2) ? SEKI_WIRE_OK : SEKI_WIRE_FRAME_MALFORMED;
}

void seki_frame_write_header(const seki_frame_header *header, uint8_t out[SEKI_FRAME_HEADER_SIZE])
{
    seki_write_u32(out, header->length);
    out[4] = header->kind;
    out[5] = header->flags;
    seki_write_u16(out + 6, 0);
    seki_write_u64(out + 8, header->id);
}

seki_wire_code seki_hello_read(uint8_t flags, seki_span payload, seki_hello *out)
{
    const uint8_t *at = payload.data;
    if (flags != 0 || payload.length < SEKI_HELLO_SIZE || payload.length > SEKI_HELLO_SIZE_MAX
        || memcmp(at, magic, sizeof magic) != 0 || at[8] > at[9] || !zeros(at + 10, 2))
        return SEKI_WIRE_HELLO_MALFORMED;
    *out = (seki_hello){.features = seki_read_u32(at + 12), .tenant = seki_read_u32(at + 16), .frame_bytes = seki_read_u32(at + 20)};
    if (out->frame_bytes != 0 && out->frame_bytes < SEKI_CLIENT_FRAME_SIZE_MIN)
        return SEKI_WIRE_HELLO_MALFORMED;
    return at[8] <= SEKI_PROTOCOL_VERSION && SEKI_PROTOCOL_VERSION <= at[9] ? SEKI_WIRE_OK : SEKI_WIRE_VERSION_UNSUPPORTED;
}

void seki_welcome_write(const seki_welcome *welcome, uint8_t out[SEKI_WELCOME_SIZE])
{
    memset(out, 0, SEKI_WELCOME_SIZE);
    out[0] = SEKI_PROTOCOL_VERSION;
    seki_write_u32(out + 4, welcome->features);
    seki_write_u32(out + 8, welcome->frame_bytes);
    seki_write_u32(out + 12, welcome->requests);
    seki_write_u32(out + 16, welcome->challenges);
    seki_write_u32(out + 20, welcome->deadline_ms);
    seki_write_u32(out + 24, welcome->idle_s);
    seki_write_u32(out + 28, welcome->profile);
    seki_write_u64(out + 32, (uint64_t)welcome->time);
}

/* ---- requests ---------------------------------------------------------------------------------- */

static bool read_login(uint8_t flags, reader *in, seki_request *out)
{
    seki_span fixed = take(in, 32);
    if (!in->good || !zeros(fixed.data + 26, 6))
        return false;
    const uint8_t *at = fixed.data;
    size_t certificate = seki_read_u32(at + 8), transaction = seki_read_u16(at + 24);
    if (((flags & SEKI_REQUEST_REFERENCE) != 0 && certificate != SEKI_REFERENCE_SIZE)
        || (transaction != 0 && transaction != SEKI_CHALLENGE_TRANSACTION_SIZE))
        return false;
    out->login.certificate = take(in, certificate);
    out->login.intermediates = take(in, seki_read_u32(at + 12));
    out->login.challenge = take(in, seki_read_u16(at + 16));
    out->login.signature = take(in, seki_read_u16(at + 18));
    out->login.binding = take(in, seki_read_u16(at + 20));
    out->login.request = take(in, seki_read_u16(at + 22));
    out->login.transaction = take(in, transaction);
    return true;
}

static bool read_certificate(uint8_t flags, reader *in, seki_request *out)
{
    seki_span fixed = take(in, 16);
    if (!in->good)
        return false;
    size_t certificate = seki_read_u32(fixed.data + 8);
    if ((flags & SEKI_REQUEST_REFERENCE) != 0 && certificate != SEKI_REFERENCE_SIZE)
        return false;
    out->login.certificate = take(in, certificate);
    out->login.intermediates = take(in, seki_read_u32(fixed.data + 12));
    return true;
}

static bool read_signature(reader *in, seki_request *out)
{
    seki_span fixed = take(in, 24);
    if (!in->good || !zeros(fixed.data + 20, 4))
        return false;
    out->mode = out->profile;
    out->profile = 0;
    out->key = take(in, seki_read_u32(fixed.data + 8));
    out->message = take(in, seki_read_u32(fixed.data + 12));
    out->login.signature = take(in, seki_read_u32(fixed.data + 16));
    return true;
}

static bool read_revocation(reader *in, seki_request *out)
{
    seki_span fixed = take(in, 16);
    if (!in->good || !zeros(fixed.data + 12, 4))
        return false;
    out->count = seki_read_u32(fixed.data + 8);
    if (out->count > SEKI_BULK_ROWS_MAX)
        return true; /* told as that, whatever follows */
    out->references = take(in, (size_t)out->count * SEKI_REFERENCE_SIZE);
    return out->count != 0;
}

static bool read_challenges(uint8_t flags, reader *in, seki_request *out)
{
    seki_span fixed = take(in, 16);
    if (!in->good || !zeros(fixed.data + 14, 2))
        return false;
    out->count = seki_read_u32(fixed.data + 8);
    out->lifetime = seki_read_u16(fixed.data + 12);
    if (out->count > SEKI_BULK_ROWS_MAX)
        return true; /* told as that, whatever follows */
    if ((flags & SEKI_REQUEST_BINDINGS) != 0) {
        size_t all = 0;
        out->binding_sizes = take(in, 2 * (size_t)out->count);
        for (size_t i = 0; i < out->binding_sizes.length; i += 2) {
            size_t size = seki_read_u16(out->binding_sizes.data + i);
            if (size > SEKI_CHALLENGE_BINDING_SIZE_MAX)
                return false;
            all += size;
        }
        out->bindings = take(in, all);
    }
    if ((flags & SEKI_REQUEST_TRANSACTIONS) != 0)
        out->transactions = take(in, (size_t)out->count * SEKI_CHALLENGE_TRANSACTION_SIZE);
    return out->count != 0 && out->lifetime <= SEKI_CHALLENGE_LIFETIME_MAX;
}

seki_wire_code seki_request_read(uint8_t kind, uint8_t flags, seki_span payload, seki_request *out)
{
    static const uint8_t known_flags[] = {
        [SEKI_FRAME_CHALLENGES] = SEKI_REQUEST_BINDINGS | SEKI_REQUEST_TRANSACTIONS,
        [SEKI_FRAME_LOGIN] = SEKI_REQUEST_REFERENCE | SEKI_REQUEST_KEEP,
        [SEKI_FRAME_CERTIFICATE] = SEKI_REQUEST_REFERENCE | SEKI_REQUEST_KEEP,
        [SEKI_FRAME_SIGNATURE] = SEKI_REQUEST_PREHASHED,
        [SEKI_FRAME_REVOCATION] = 0,
    };
    seki_span none = {payload.data, 0};
    *out = (seki_request){.login = {none, none, none, none, none, none, none},
                          .key = none,
                          .message = none,
                          .references = none,
                          .binding_sizes = none,
                          .bindings = none,
                          .transactions = none};
    if (kind >= sizeof known_flags || (flags & ~known_flags[kind]) != 0 || payload.length < 8)
        return SEKI_WIRE_REQUEST_MALFORMED;
    out->deadline_ms = seki_read_u32(payload.data);
    out->profile = seki_read_u32(payload.data + 4);
    reader in = {payload.data, payload.length, true};
    bool good = false;
    switch (kind) {
    case SEKI_FRAME_CHALLENGES: good = read_challenges(flags, &in, out); break;
    case SEKI_FRAME_LOGIN: good = read_login(flags, &in, out); break;
    case SEKI_FRAME_CERTIFICATE: good = read_certificate(flags, &in, out); break;
    case SEKI_FRAME_SIGNATURE: good = read_signature(&in, out); break;
    case SEKI_FRAME_REVOCATION: good = read_revocation(&in, out); break;
    default: break;
    }
    if (good && out->count > SEKI_BULK_ROWS_MAX)
        return SEKI_WIRE_TOO_MUCH;
    return good && in.good && in.left == 0 ? SEKI_WIRE_OK : SEKI_WIRE_REQUEST_MALFORMED;
}

/* ---- errors ------------------------------------------------------------------------------------- */

bool seki_wire_ends(seki_wire_code code)
{
    switch (code) {
    case SEKI_WIRE_HELLO_EXPECTED:
    case SEKI_WIRE_HELLO_MALFORMED:
    case SEKI_WIRE_VERSION_UNSUPPORTED:
    case SEKI_WIRE_TENANT_REFUSED:
    case SEKI_WIRE_FRAME_MALFORMED:
    case SEKI_WIRE_FRAME_TOO_LARGE:
    case SEKI_WIRE_HANDSHAKE_TIMEOUT:
    case SEKI_WIRE_IDLE_TIMEOUT:
    case SEKI_WIRE_FRAME_TIMEOUT:
    case SEKI_WIRE_CONNECTIONS_FULL: return true;
    default: return false;
    }
}

void seki_error_write(seki_wire_code code, uint8_t kind, uint64_t id, uint32_t retry_ms,
                      uint8_t out[SEKI_FRAME_HEADER_SIZE + SEKI_ERROR_SIZE])
{
    seki_frame_write_header(&(seki_frame_header){.length = SEKI_ERROR_SIZE, .kind = SEKI_FRAME_ERROR, .id = id}, out);
    uint8_t *payload = out + SEKI_FRAME_HEADER_SIZE;
    memset(payload, 0, SEKI_ERROR_SIZE);
    seki_write_u16(payload, (uint16_t)code);
    payload[2] = seki_wire_ends(code);
    payload[3] = kind;
    seki_write_u32(payload + 4, retry_ms);
}
