// As much of MessagePack as commands take: looking members up by name, numbers and texts. Commands
// come from other programs, so that every length is checked against what there is.

#ifndef MESSAGEPACK_H
#define MESSAGEPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

enum kind { NUMBER, TEXT, MAP, ARRAY, NOTHING, TRUTH };

struct item {
    enum kind kind;
    double number;
    // Of a text, its bytes; of a map, its pairs; of an array, its items.
    size_t len;
    const uint8_t *text;
};

static inline bool take_big_endian(struct input *input, size_t len, uint64_t *value)
{
    if ((size_t)(input->end - input->at) < len) {
        return false;
    }
    *value = 0;
    for (size_t index = 0; index < len; index++) {
        *value = *value << 8 | *input->at++;
    }
    return true;
}

static inline bool take_float(struct input *input, size_t len, struct item *item)
{
    uint64_t bits;
    if (!take_big_endian(input, len, &bits)) {
        return false;
    }
    if (len == 8) {
        memcpy(&item->number, &bits, sizeof item->number);
    } else {
        float number;
        uint32_t narrow = bits;
        memcpy(&number, &narrow, sizeof number);
        item->number = number;
    }
    return true;
}

// What has a length in front of it: a text or other bytes, or what a map or an array has.
static inline bool take_counted(struct input *input, enum kind kind, size_t len, struct item *item)
{
    item->kind = kind;
    item->len = len;
    // Each item of a map or an array takes a byte at least.
    if (len > (size_t)(input->end - input->at)) {
        return false;
    }
    if (kind == TEXT) {
        item->text = input->at;
        input->at += len;
    }
    return true;
}

// The next item; what a map or an array has comes behind it.
static inline bool take_item(struct input *input, struct item *item)
{
    uint64_t byte, len;
    *item = (struct item){.kind = NUMBER};
    if (!take_big_endian(input, 1, &byte)) {
        return false;
    }
    if (byte <= 0x7f || byte >= 0xe0) {
        item->number = (int8_t)byte;
        return true;
    }
    if (byte <= 0xbf) {
        enum kind kind = byte <= 0x8f ? MAP : byte <= 0x9f ? ARRAY : TEXT;
        return take_counted(input, kind, kind == TEXT ? byte & 31 : byte & 15, item);
    }
    switch (byte) {
    case 0xca: return take_float(input, 4, item);
    case 0xcb: return take_float(input, 8, item);
    case 0xcc: case 0xcd: case 0xce: case 0xcf:
        if (!take_big_endian(input, (size_t)1 << (byte - 0xcc), &len)) {
            return false;
        }
        item->number = len;
        return true;
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: {
        unsigned int width = 8u << (byte - 0xd0);
        if (!take_big_endian(input, width / 8, &len)) {
            return false;
        }
        // The sign is in the highest of its bits.
        item->number = (int64_t)(len << (64 - width)) / (double)((uint64_t)1 << (64 - width));
        return true;
    }
    case 0xd9: case 0xda: case 0xdb:
        return take_big_endian(input, (size_t)1 << (byte - 0xd9), &len)
            && take_counted(input, TEXT, len, item);
    case 0xdc: case 0xdd: case 0xde: case 0xdf:
        return take_big_endian(input, byte & 1 ? 4 : 2, &len)
            && take_counted(input, byte < 0xde ? ARRAY : MAP, len, item);
    case 0xc0: return take_counted(input, NOTHING, 0, item);
    case 0xc2: case 0xc3: return take_counted(input, TRUTH, 0, item);
    // Bytes and extensions are in no command.
    default: return false;
    }
}

static inline bool skip(struct input *input)
{
    for (size_t left = 1; left > 0; left--) {
        struct item item;
        if (!take_item(input, &item)) {
            return false;
        }
        left += item.kind == MAP ? 2 * item.len : item.kind == ARRAY ? item.len : 0;
    }
    return true;
}

// Where the member of a map lies that has this name.
static inline bool find(struct input map, const char *name, struct input *member)
{
    struct item item, key;
    if (!take_item(&map, &item) || item.kind != MAP) {
        return false;
    }
    for (; item.len > 0; item.len--) {
        if (!take_item(&map, &key) || key.kind != TEXT) {
            return false;
        }
        if (key.len == strlen(name) && memcmp(key.text, name, key.len) == 0) {
            *member = map;
            return true;
        }
        if (!skip(&map)) {
            return false;
        }
    }
    return false;
}

// Appends a text of at most 255 bytes.
static inline uint8_t *put_text(uint8_t *to, const char *text, size_t len)
{
    *to++ = 0xd9;
    *to++ = len;
    memcpy(to, text, len);
    return to + len;
}

static inline uint8_t *put_number(uint8_t *to, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    *to++ = 0xcb;
    for (int shift = 56; shift >= 0; shift -= 8) {
        *to++ = bits >> shift;
    }
    return to;
}

#endif
