// Writes a state frame as PROTOCOL.md describes it, sections 15 and 16, and knows nothing else.
//
//   frame <directory> <name> <capacity>
//
// Each line of its input is a value; it answers with the value's number, or with an error.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DATA = 4096, BELL = 120, SUPERSEDED = 128, NEWEST = 256, BEFORE = 264, SLOT_HEAD = 64 };

static uint32_t crc32c(uint32_t crc, const void *bytes, size_t len) {
  const uint8_t *at = bytes;
  crc = ~crc;
  while (len-- > 0) {
    crc ^= *at++;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

static void check(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static uint64_t nanos(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

// x86-64 is little-endian, as the format is.
static void put(uint8_t *file, size_t at, uint64_t number, size_t len) {
  memcpy(file + at, &number, len);
}

static _Atomic uint64_t *word(uint8_t *file, size_t at) { return (_Atomic uint64_t *)(file + at); }

enum { WRITER, SUCCESSOR };

static int lock(int fd, int which) {
  struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};
  return fcntl(fd, F_OFD_SETLK, &byte) == 0;
}

static int is_locked(int fd, int which) {
  struct flock byte = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = which, .l_len = 1};
  check(fcntl(fd, F_OFD_GETLK, &byte) == 0, "asking for a lock");
  return byte.l_type != F_UNLCK;
}

static void ring(int fd) { check(pwrite(fd, "", 1, BELL) == 1, "ringing"); }

static size_t slot_len(size_t capacity) { return SLOT_HEAD + (capacity + 63) / 64 * 64; }

static uint8_t *map(int fd, size_t len) {
  uint8_t *file = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  check(file != MAP_FAILED, "mapping");
  return file;
}

static void make_head(uint8_t *file, size_t len, uint64_t generation, size_t capacity) {
  memcpy(file, "ringpost", 8);
  put(file, 8, 1, 4);
  put(file, 12, 1, 4);
  put(file, 16, generation, 8);
  put(file, 24, len, 8);
  put(file, 32, DATA, 8);
  put(file, 40, capacity, 8);
  put(file, 72, (uint64_t)getpid(), 4);
  put(file, 76, crc32c(0, file, 76), 4);
}

static void write_value(uint8_t *file, size_t capacity, uint64_t number, const char *value) {
  size_t len = strlen(value), slot = DATA + (number & 1 ? slot_len(capacity) : 0);
  atomic_store_explicit(word(file, slot), 2 * number - 1, memory_order_release);
  atomic_thread_fence(memory_order_release);
  uint64_t covered[4] = {len, number, nanos(CLOCK_MONOTONIC), nanos(CLOCK_REALTIME)};
  memcpy(file + slot + 16, covered + 1, 24);
  memcpy(file + slot + SLOT_HEAD, value, len);
  put(file, slot + 8, len, 4);
  put(file, slot + 12, crc32c(crc32c(0, covered, 32), value, len), 4);
  atomic_store_explicit(word(file, slot), 2 * number, memory_order_release);
  atomic_store_explicit(word(file, NEWEST), number, memory_order_release);
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  char path[4096], temporary[4096];
  size_t capacity = strtoul(arguments[3], NULL, 10), len = DATA + 2 * slot_len(capacity);
  snprintf(path, sizeof path, "%s/%s.frame", arguments[1], arguments[2]);
  snprintf(temporary, sizeof temporary, "%s/.%s.frame.c", arguments[1], arguments[2]);

  // The predecessor, which this test makes well-formed.
  uint64_t generation = 1, number = 0;
  uint8_t *before = NULL;
  int old = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (old != -1) {
    struct stat stat;
    if (!lock(old, SUCCESSOR) || is_locked(old, WRITER)) {
      puts("in use");
      return 1;
    }
    check(fstat(old, &stat) == 0, "looking at the predecessor");
    before = map(old, (size_t)stat.st_size);
    memcpy(&generation, before + 16, 8);
    generation++;
    uint64_t newest = *word(before, NEWEST), earlier = *word(before, BEFORE);
    number = newest > earlier ? newest : earlier;
  }

  int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  check(fd != -1 && fchmod(fd, 0600) == 0 && lock(fd, WRITER), "making a file");
  check(posix_fallocate(fd, 0, (off_t)len) == 0, "taking its room");
  uint8_t *file = map(fd, len);
  make_head(file, len, generation, capacity);
  *word(file, BEFORE) = number;
  if (before == NULL) {
    check(link(temporary, path) == 0, "naming");
  } else {
    check(renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_EXCHANGE) == 0, "exchanging");
    atomic_store_explicit(word(before, SUPERSEDED), generation, memory_order_release);
    ring(old);
  }
  check(unlink(temporary) == 0, "removing the temporary name");

  uint64_t rung_at = 0;
  char *value = NULL;
  size_t room = 0;
  for (ssize_t end; (end = getline(&value, &room, stdin)) > 0;) {
    value[end - 1] = 0;
    if (*word(file, SUPERSEDED) != 0) {
      puts("superseded");
    } else if ((size_t)end - 1 > capacity) {
      puts("too long");
    } else {
      write_value(file, capacity, ++number, value);
      uint64_t now = nanos(CLOCK_MONOTONIC);
      if (now - rung_at >= 100000) {
        rung_at = now;
        ring(fd);
      }
      printf("%llu\n", (unsigned long long)number);
    }
    fflush(stdout);
  }
}
