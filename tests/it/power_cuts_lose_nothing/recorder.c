/* Writes down what a process does to the files below a directory, in order: the
 * input of the power cuts. Loaded before the C library (`LD_PRELOAD`).
 *
 * POWER_CUTS_DIRECTORY  the directory, absolute and without links
 * POWER_CUTS_RECORD     the file that entries are appended to
 *
 * Owns which calls are seen and what an entry looks like. What they mean on a
 * disk is `disk.rs`'s. An entry is written in one piece, after its call: a sync
 * is in the record once it is over, and before anybody could be told of it.
 *
 * Not seen: what is written through a mapping. SQLite maps only its `-shm` file,
 * which means nothing after a power cut, and is left out. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, DIRECTORY, UNLINK, RENAME, WRITE, TRUNCATE, SYNC };

/* Before the path and the data of an entry; little-endian, as the machine. */
struct head {
  uint32_t kind, path_bytes;
  uint64_t at, data_bytes;
};

#define FILES 65536
static char *paths[FILES];
static const char *root;
static size_t root_bytes;
static int record = -1;

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  REAL(open);
  const char *to = getenv("POWER_CUTS_RECORD");
  root = getenv("POWER_CUTS_DIRECTORY");
  if (!to || !root) return;
  root_bytes = strlen(root);
  record = real(to, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (record < 0) abort();
}

/* The path below the directory ("" for itself), or NULL for any other. */
static const char *below(const char *path) {
  if (record < 0 || strncmp(path, root, root_bytes) != 0) return NULL;
  path += root_bytes;
  if (*path != 0 && *path != '/') return NULL;
  while (*path == '/') path++;
  size_t bytes = strlen(path);
  if (bytes >= 4 && strcmp(path + bytes - 4, "-shm") == 0) return NULL;
  return path;
}

static void note(uint32_t kind, const char *path, uint64_t at, const void *data, size_t bytes) {
  int before = errno;
  REAL(write);
  struct head head = {kind, strlen(path), at, bytes};
  size_t all = sizeof head + head.path_bytes + bytes;
  char *entry = malloc(all);
  if (!entry) abort();
  memcpy(entry, &head, sizeof head);
  memcpy(entry + sizeof head, path, head.path_bytes);
  if (bytes) memcpy(entry + sizeof head + head.path_bytes, data, bytes);
  if (real(record, entry, all) != (ssize_t)all) abort();
  free(entry);
  errno = before;
}

static const char *path_of(int file) {
  return record >= 0 && file >= 0 && file < FILES ? paths[file] : NULL;
}

static int opened(int file, const char *path, int flags, int was_there) {
  const char *name = below(path);
  if (file < 0 || file >= FILES || !name) return file;
  if (!was_there) note(CREATE, name, 0, NULL, 0);
  else if (flags & O_TRUNC) note(TRUNCATE, name, 0, NULL, 0);
  free(paths[file]);
  paths[file] = strdup(name);
  return file;
}

#define OPEN(name)                                                            \
  int name(const char *path, int flags, ...) {                                \
    REAL(name);                                                               \
    mode_t mode = 0;                                                          \
    if (flags & (O_CREAT | O_TMPFILE)) {                                      \
      va_list rest;                                                           \
      va_start(rest, flags);                                                  \
      mode = va_arg(rest, mode_t);                                            \
      va_end(rest);                                                           \
    }                                                                         \
    int was_there = access(path, F_OK) == 0;                                  \
    return opened(real(path, flags, mode), path, flags, was_there);           \
  }
OPEN(open)
OPEN(open64)

int close(int file) {
  REAL(close);
  if (path_of(file)) {
    free(paths[file]);
    paths[file] = NULL;
  }
  return real(file);
}

ssize_t write(int file, const void *data, size_t bytes) {
  REAL(write);
  const char *path = path_of(file);
  off_t at = path ? lseek(file, 0, SEEK_CUR) : 0;
  ssize_t written = real(file, data, bytes);
  if (path && written > 0) note(WRITE, path, at, data, written);
  return written;
}

#define PWRITE(name, offset)                                                  \
  ssize_t name(int file, const void *data, size_t bytes, offset at) {         \
    REAL(name);                                                               \
    ssize_t written = real(file, data, bytes, at);                            \
    if (path_of(file) && written > 0) note(WRITE, path_of(file), at, data, written); \
    return written;                                                           \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define FTRUNCATE(name, offset)                                               \
  int name(int file, offset bytes) {                                          \
    REAL(name);                                                               \
    int result = real(file, bytes);                                           \
    if (path_of(file) && result == 0) note(TRUNCATE, path_of(file), bytes, NULL, 0); \
    return result;                                                            \
  }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FSYNC(name)                                                           \
  int name(int file) {                                                        \
    REAL(name);                                                               \
    int result = real(file);                                                  \
    if (path_of(file) && result == 0) note(SYNC, path_of(file), 0, NULL, 0);  \
    return result;                                                            \
  }
FSYNC(fsync)
FSYNC(fdatasync)

int unlink(const char *path) {
  REAL(unlink);
  int result = real(path);
  if (result == 0 && below(path)) note(UNLINK, below(path), 0, NULL, 0);
  return result;
}

int rename(const char *from, const char *to) {
  REAL(rename);
  int result = real(from, to);
  if (result == 0 && below(from) && below(to))
    note(RENAME, below(from), 0, below(to), strlen(below(to)));
  return result;
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  int result = real(path, mode);
  if (result == 0 && below(path)) note(DIRECTORY, below(path), 0, NULL, 0);
  return result;
}

/* What would change files unseen ends the process, so that the simulation
 * cannot be wrong without a word. */
ssize_t writev(int file, const struct iovec *parts, int count) {
  ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
  if (path_of(file)) abort();
  return real(file, parts, count);
}
int fallocate(int file, int mode, off_t at, off_t bytes) {
  REAL(fallocate);
  if (path_of(file)) abort();
  return real(file, mode, at, bytes);
}
