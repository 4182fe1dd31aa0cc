/* openssl_loop.c: the peer "openssl": a plain C loop over OpenSSL's EVP calls.
 *
 *     openssl_loop kept FILE    an EVP_PKEY_CTX kept for every key: as fast as this OpenSSL can be used
 *     openssl_loop new FILE     EVP_PKEYs kept, a new EVP_PKEY_CTX for every signature
 *     openssl_loop cold FILE    rows hold certificates: d2i_X509, X509_verify_cert, EVP_DigestVerify, nothing kept
 *
 * kept and new are given the hash of the message; hashing is not timed. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "loop.h"

static EVP_PKEY **keys;
static EVP_PKEY_CTX **contexts;
static EVP_MD_CTX *md_context;
static X509_STORE *store;

static EVP_PKEY_CTX *new_context(const rows_file *file, EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context == NULL || EVP_PKEY_verify_init(context) != 1)
        fail("EVP_PKEY_verify_init failed");
    if (file->algorithm == RSA_SHA256
        && (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1
            || EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1))
        fail("EVP_PKEY_CTX_set_rsa_padding failed");
    return context;
}

static int verify_message(const rows_file *file, EVP_PKEY *key, const row *row)
{
    const EVP_MD *md = file->algorithm == ED25519       ? NULL
                       : file->algorithm == P384_SHA384 ? EVP_sha384()
                                                        : EVP_sha256();
    return EVP_MD_CTX_reset(md_context) == 1 && EVP_DigestVerifyInit(md_context, NULL, md, NULL, key) == 1
           && EVP_DigestVerify(md_context, row->signature.data, row->signature.length, row->message.data,
                               row->message.length)
                  == 1;
}

static int verify(EVP_PKEY_CTX *context, const row *row)
{
    return EVP_PKEY_verify(context, row->signature.data, row->signature.length, row->digest.data, row->digest.length)
           == 1;
}

static void answer_kept(const rows_file *file, size_t first, size_t count, char *answers)
{
    for (size_t i = 0; i < count; i++) {
        const row *row = &file->rows[first + i];
        int right = file->algorithm == ED25519 ? verify_message(file, keys[first + i], row)
                                               : verify(contexts[first + i], row);
        answers[i] = right ? '1' : '0';
    }
    ERR_clear_error();
}

static void answer_new(const rows_file *file, size_t first, size_t count, char *answers)
{
    for (size_t i = 0; i < count; i++) {
        const row *row = &file->rows[first + i];
        if (file->algorithm == ED25519) {
            answers[i] = verify_message(file, keys[first + i], row) ? '1' : '0';
            continue;
        }
        EVP_PKEY_CTX *context = new_context(file, keys[first + i]);
        answers[i] = verify(context, row) ? '1' : '0';
        EVP_PKEY_CTX_free(context);
    }
    ERR_clear_error();
}

static int verify_login(const rows_file *file, const row *row)
{
    const unsigned char *at = row->key.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)row->key.length);
    X509_STORE_CTX *path = X509_STORE_CTX_new();
    int right = 0;
    if (certificate != NULL && path != NULL && X509_STORE_CTX_init(path, store, certificate, NULL) == 1) {
        X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(path), (time_t)file->at);
        right = X509_verify_cert(path) == 1 && verify_message(file, X509_get0_pubkey(certificate), row);
    }
    X509_STORE_CTX_free(path);
    X509_free(certificate);
    return right;
}

static void answer_cold(const rows_file *file, size_t first, size_t count, char *answers)
{
    for (size_t i = 0; i < count; i++)
        answers[i] = verify_login(file, &file->rows[first + i]) ? '1' : '0';
    ERR_clear_error();
}

static void keep_keys(const rows_file *file)
{
    size_t total = (size_t)file->good + file->bad;
    keys = allocate(total, sizeof *keys);
    contexts = allocate(total, sizeof *contexts);
    for (size_t i = 0; i < total; i++) {
        const unsigned char *at = file->rows[i].key.data;
        keys[i] = d2i_PUBKEY(NULL, &at, (long)file->rows[i].key.length);
        if (keys[i] == NULL)
            fail("d2i_PUBKEY failed");
        if (file->algorithm != ED25519)
            contexts[i] = new_context(file, keys[i]);
    }
}

static void keep_anchors(const rows_file *file)
{
    store = X509_STORE_new();
    if (store == NULL)
        fail("out of memory");
    for (size_t i = 0; i < file->anchors; i++) {
        const unsigned char *at = file->anchor[i].data;
        X509 *anchor = d2i_X509(NULL, &at, (long)file->anchor[i].length);
        if (anchor == NULL || X509_STORE_add_cert(store, anchor) != 1)
            fail("X509_STORE_add_cert failed");
        X509_free(anchor);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        fail("usage: openssl_loop kept|new|cold FILE");
    rows_file file = load_rows(argv[2]);
    md_context = EVP_MD_CTX_new();
    answer_fn answer = answer_cold;
    if (strcmp(argv[1], "cold") == 0) {
        keep_anchors(&file);
    } else {
        keep_keys(&file);
        answer = strcmp(argv[1], "new") == 0 ? answer_new : answer_kept;
    }
    printf("ready %s\n", OpenSSL_version(OPENSSL_VERSION));
    fflush(stdout);
    serve(&file, answer);
    return 0;
}
