/* replay.c: runs a fuzz target over files, without libFuzzer; the files and folders are arguments, or those it was built for.
 *
 * A target with a mutator of its own also gets a few mutants of each file, the same ones at every run. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { INPUT_MAX = 1 << 17, PATH_SIZE = 4096 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
#pragma weak LLVMFuzzerCustomMutator
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

static uint64_t state;
static size_t inputs, mutants;

static size_t below(size_t bound) /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (size_t)((z ^ (z >> 31)) % bound);
}

/* In place of libFuzzer's: an octet changed, left out or put in. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room)
{
    size_t kind = below(3);
    if (size == 0 || (kind == 0 && size < room)) {
        size_t at = below(size + 1);
        if (size == room)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8_t)below(256);
        return size + 1;
    }
    size_t at = below(size);
    if (kind == 1 && size > 1) {
        memmove(data + at, data + at + 1, size - at - 1);
        return size - 1;
    }
    data[at] = (uint8_t)(below(2) == 0 ? below(256) : data[at] ^ 1u << below(8));
    return size;
}

static void run(const uint8_t *data, size_t size)
{
    seki_span copy = exact_copy(data, size);
    (void)LLVMFuzzerTestOneInput(copy.data, copy.length);
    free((void *)(uintptr_t)copy.data);
}

static void run_file(const char *path, unsigned mutants_a_file)
{
    static uint8_t data[INPUT_MAX], mutant[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    require(file != NULL, path);
    size_t size = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    run(data, size);
    inputs++;
    for (unsigned i = 0; LLVMFuzzerCustomMutator != NULL && i < mutants_a_file; i++, mutants++) {
        memcpy(mutant, data, size);
        state = size * 1000 + i;
        run(mutant, LLVMFuzzerCustomMutator(mutant, size, sizeof mutant, (unsigned)below(UINT32_MAX)));
    }
}

/* A file, or the files of a folder in order of name; what is missing is passed over. */
static void run_path(const char *path, unsigned mutants_a_file)
{
    struct stat status;
    struct dirent **names = NULL;
    if (stat(path, &status) != 0)
        return;
    if (!S_ISDIR(status.st_mode)) {
        run_file(path, mutants_a_file);
        return;
    }
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char whole[PATH_SIZE];
        if (names[i]->d_name[0] != '.' && snprintf(whole, sizeof whole, "%s/%s", path, names[i]->d_name) < PATH_SIZE)
            run_file(whole, mutants_a_file);
        free(names[i]);
    }
    free(names);
}

int main(int count, char **paths)
{
    run((const uint8_t *)"", 0);
    for (int i = 1; i < count; i++)
        run_path(paths[i], 0);
    if (count == 1) {
        run_path(FUZZ_CORPUS, 32);
        size_t committed = inputs;
        run_path(FUZZ_SEEDS, 1);
        require(committed != 0, "no corpus at " FUZZ_CORPUS);
    }
    printf("%zu inputs, %zu mutants\n", inputs, mutants);
    return 0;
}
