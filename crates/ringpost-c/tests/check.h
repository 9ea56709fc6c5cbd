// What the test programs share: a check that fails says where and why, and ends the program.

#ifndef CHECK_H
#define CHECK_H

#include <ringpost.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

// A call that has to return this status. Its last argument is `&error`.
#define EXPECT(status, call) \
    do { \
        rp_status found = (call); \
        if (found != (status)) { \
            fprintf(stderr, "%s:%d: %s: %d, expected %d: %s\n", __FILE__, __LINE__, #call, found, \
                    (status), rp_error_message(error)); \
            exit(1); \
        } \
        CHECK((error != NULL) == (found > RP_STATUS_NOTHING)); \
        CHECK(rp_error_status(error) == (found > RP_STATUS_NOTHING ? found : RP_STATUS_OK)); \
        rp_error_free(&error); \
        CHECK(error == NULL); \
    } while (0)

#define OK(call) EXPECT(RP_STATUS_OK, call)

#define TEXT(text) (const uint8_t *)(text), strlen(text)

// Longer than anything takes on a busy machine.
#define LONG_MS 60000

static inline bool is_text(const uint8_t *bytes, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

// Turns the loop until it is so.
#define UNTIL(condition, loop) \
    do { \
        while (!(condition)) { \
            bool has_called = false; \
            OK(rp_loop_wait(loop, LONG_MS, &has_called, &error)); \
            CHECK(has_called); \
        } \
    } while (0)

#endif
