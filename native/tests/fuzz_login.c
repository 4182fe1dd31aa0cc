/* fuzz_login.c: libFuzzer target for a whole batch of logins: two good ones with the input's row between them.
 *
 * Invariant: the input's row is accepted exactly when it is a good login octet for octet, and its neighbours are accepted whatever
 * it is.
 *
 * The input: three bytes that say how long certificate, challenge and signature are (in parts of what there is), then those, and
 * what is left is sent along; or, after an odd first byte, edits (place, value) of the good login.
 *
 *   make fuzz TARGET=login */
#include "../src/engine.h"
#include "fuzz/authority.h"
#include "fuzz/fuzz.h"

enum { ROWS = 3, MIDDLE = 1, LEAF_ROOM = 1024 };

static uint8_t certificate[LEAF_ROOM], challenge[] = "a challenge of somebody else's, long enough", signature[64];
static size_t certificate_size;
static seki_verifier *verifier;

static void set_up(void)
{
    static const uint8_t allowed[AUTHORITY_ISSUERS] = {1, 1, 1, 1, 1, 1};
    seki_engine_options options = {.threads = 1, .cross_check_one_in = 1, .cache_bytes = SEKI_CACHE_BYTES_MIN};
    seki_engine *engine;
    certificate_size = authority_leaf(AUTHORITY_PLAIN, certificate, sizeof certificate);
    authority_sign(AUTHORITY_LEAF_KEY, (seki_span){challenge, sizeof challenge - 1}, signature);
    require(seki_engine_new(&options, &engine) == SEKI_OK &&
                seki_verifier_new(engine, authority_trust(), authority_profile(0), allowed, NULL, &verifier) == SEKI_OK,
            "a verifier");
}

typedef struct {
    uint8_t data[3 * LEAF_ROOM + (1 << 18)];
    uint64_t offsets[ROWS + 1];
} column;

static seki_column fill(column *c, seki_span good, seki_span middle)
{
    size_t at = 0;
    for (size_t i = 0; i < ROWS; i++) {
        seki_span row = i == MIDDLE ? middle : good;
        require(row.length <= sizeof c->data - at, "room");
        memcpy(c->data + at, row.data, row.length);
        at += row.length;
        c->offsets[i + 1] = at;
    }
    return (seki_column){c->data, at, c->offsets, 8};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static column columns[4];
    if (verifier == NULL)
        set_up();
    if (size < 4 || size > 1 << 17)
        return 0;
    seki_span good[4] = {{certificate, certificate_size}, {challenge, sizeof challenge - 1}, {signature, sizeof signature}, {data, 0}};
    uint8_t edited[3][LEAF_ROOM];
    seki_span row[4];
    memcpy(row, good, sizeof row);
    if (data[0] % 2 == 1) {
        for (size_t i = 0; i < 3; i++) {
            memcpy(edited[i], good[i].data, good[i].length);
            row[i].data = edited[i];
        }
        for (size_t i = 1; i + 2 < size; i += 3) {
            size_t place = (size_t)data[i] << 8 | data[i + 1], which = place % 3;
            edited[which][place / 3 % good[which].length] = data[i + 2];
        }
    } else {
        seki_span rest = {data + 4, size - 4};
        for (size_t i = 0; i < 3; i++) {
            size_t length = data[i + 1] == 255 ? good[i].length : rest.length * data[i + 1] / 255;
            length = length < rest.length ? length : rest.length;
            row[i] = (seki_span){rest.data, length};
            rest = (seki_span){rest.data + length, rest.length - length};
        }
        row[3] = rest;
    }
    bool same = seki_span_equal(row[0], good[0]) && seki_span_equal(row[1], good[1]) && seki_span_equal(row[2], good[2]);
    int64_t at = AUTHORITY_AT;
    seki_login_batch batch = {
        .rows = ROWS,
        .certificates = fill(&columns[0], good[0], row[0]),
        .challenges = fill(&columns[1], good[1], row[1]),
        .signatures = fill(&columns[2], good[2], row[2]),
        .intermediates = fill(&columns[3], good[3], row[3]),
        .at = &at,
        .confirmations = 64,
    };
    seki_verdict verdicts[ROWS];
    require(seki_verify_logins(verifier, &batch, verdicts) == SEKI_OK, "verified");
    require(verdicts[0].reason == SEKI_ACCEPTED && verdicts[2].reason == SEKI_ACCEPTED, "neighbours are accepted");
    if (row[3].length == 0)
        require((verdicts[MIDDLE].reason == SEKI_ACCEPTED) == same, "accepted exactly when good");
    else
        require(verdicts[MIDDLE].reason != SEKI_ACCEPTED || same, "accepted only when good");
    require(verdicts[MIDDLE].reason != SEKI_NOT_DECIDED, "decided");
    return 0;
}
