/* fuzz_challenge.c: libFuzzer target for the challenge reader.
 *
 * Invariant: whatever the bytes, a token is refused as malformed, of an unknown key, or forged, with nothing said of what is
 * in it, unless it is a token that was issued, with the binding it was issued with.
 *
 * The input's first byte: even, the rest is the token; odd, the rest are edits (place, value) of an issued token and its binding.
 *
 *   make fuzz TARGET=challenge */
#include "../src/base64url.h"
#include "../src/challenge.h"
#include "fuzz/fuzz.h"

enum { ISSUED = 1000000, BINDING_SIZE = 16 };

static seki_challenge_keys *keys;
static uint8_t issued[SEKI_CHALLENGE_SIZE];
static const uint8_t session[BINDING_SIZE] = "a session's name";

static void set_up(void)
{
    static const uint32_t id = 0x11223344;
    static const uint8_t secret[SEKI_CHALLENGE_KEY_SIZE] = {42}, random[SEKI_CHALLENGE_RANDOM_SIZE] = {7};
    seki_challenge_params params = {.tenant = 1, .profile = 2, .audience = {3}, .issued = ISSUED, .lifetime = 60};
    require(seki_challenge_keys_new(&id, secret, 1, id, &keys) == SEKI_OK, "keys");
    require(seki_challenge_issue(keys, &params, (seki_span){session, sizeof session}, (seki_span){session, 0}, random, issued), "issue");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (keys == NULL)
        set_up();
    if (size == 0)
        return 0;
    uint8_t token[SEKI_CHALLENGE_SIZE], binding[BINDING_SIZE];
    seki_span given = {data + 1, size - 1};
    memcpy(binding, session, sizeof binding);
    if (data[0] % 2 == 1) {
        memcpy(token, issued, sizeof token);
        for (size_t i = 1; i + 1 < size; i += 2) {
            size_t place = data[i] % (sizeof token + sizeof binding);
            if (place < sizeof token)
                token[place] = data[i + 1];
            else
                binding[place - sizeof token] = data[i + 1];
        }
        given = (seki_span){token, data[0] == 1 ? sizeof token : data[0] % (sizeof token + 1)};
    }
    const bool own = given.length == sizeof issued && memcmp(given.data, issued, sizeof issued) == 0
                     && memcmp(binding, session, sizeof session) == 0;

    seki_challenge_expectation expect = {.tenant = 1, .profile = 2, .audience = {3}};
    seki_challenge_fields fields;
    seki_reason reason = seki_challenge_check(keys, given, (seki_span){binding, sizeof binding}, (seki_span){binding, 0}, &expect, ISSUED, &fields);
    require(own == (reason == SEKI_NOT_DECIDED), "exactly the issued token is good");
    require(own || reason == SEKI_CHALLENGE_MALFORMED || reason == SEKI_CHALLENGE_KEY_UNKNOWN || reason == SEKI_CHALLENGE_FORGED,
            "nothing is said of a token that is not ours");
    require(own == (fields.expires != 0), "fields only of the issued token");

    /* One text for a value: what decodes encodes to the same text. */
    if (given.length == SEKI_CHALLENGE_SIZE) {
        uint8_t body[117], text[156];
        if (seki_base64url_decode(given.data + 9, sizeof body, body)) {
            seki_base64url_encode(body, sizeof body, text);
            require(memcmp(text, given.data + 9, sizeof text) == 0, "one spelling");
        }
    }
    return 0;
}
