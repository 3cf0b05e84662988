/* Small files that must survive a power cut: written whole, read whole. */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Replaces path by these octets: a new file beside it, fsync, rename, fsync of the directory.
 * Afterwards there is the old or the new content, never something else. 0 or -errno.
 */
int file_save(const char *path, const void *data, size_t n, mode_t mode);
/* 0 and the length. -ENOENT: no such file; -EFBIG: more than cap octets. */
int file_load(const char *path, void *dst, size_t cap, size_t *ret_n);
/* Removes it for good (fsync of the directory). A file that is not there is fine. */
int file_remove(const char *path);

#endif
