#include "net/psk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/hex.h"
#include "core/text.h"
#include "core/util.h"
#include "net/crypto.h"

#define FILE_MAX 65536

/* Who could read it, could be us. */
static int check_owner(int fd, const char *path, char why[PSK_WHY_MAX])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, PSK_WHY_MAX, "%.100s is no file", path);
		return -EINVAL;
	}
	if (st.st_uid != geteuid()) {
		snprintf(why, PSK_WHY_MAX, "%.60s belongs to user %u, not to the one cellmuxd runs as (%u)",
			 path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -EPERM;
	}
	if (st.st_mode & 077) {
		snprintf(why, PSK_WHY_MAX, "%.60s can be read by others (mode %04o): chmod 600 it", path,
			 (unsigned)st.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

static int read_all(int fd, char *dst, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, dst + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0) {
			*ret_n = n;
			return 0;
		}
		n += (size_t)r;
	}
	return -EFBIG;
}

static struct text word(struct text *rest)
{
	size_t n = 0;
	struct text w;

	*rest = text_trim(*rest);
	while (n < rest->n && rest->s[n] != ' ' && rest->s[n] != '\t')
		n++;
	w = text_from(rest->s, n);
	*rest = text_skip(*rest, n);
	return w;
}

static int keep(struct text t, uint8_t dst[PSK_MAX], size_t *ret_n)
{
	if (t.n == 0 || t.n > PSK_MAX)
		return -EINVAL;
	memcpy(dst, t.s, t.n);
	*ret_n = t.n;
	return 0;
}

/* NULL: it is sound; else what is wrong with it. */
static const char *read_line(struct text line, const char *eid, struct text *ret_eim, struct psk *ret)
{
	struct text identity, key;

	*ret_eim = word(&line);
	identity = word(&line);
	key = word(&line);
	if (text_trim(line).n || !key.n)
		return "expected an eIM, an identity and a key";
	if (text_eq(identity, "eid"))
		identity = text_of(eid);
	if (keep(identity, ret->identity, &ret->identity_n) < 0)
		return "expected an identity of 1 to 64 octets";
	if (text_starts(key, "text:"))
		return keep(text_skip(key, 5), ret->key, &ret->key_n) < 0 ?
			       "expected a key of 1 to 64 octets" : NULL;
	if (hex_decode(key, ret->key, sizeof(ret->key), &ret->key_n) < 0 || ret->key_n == 0)
		return "expected a key of 1 to 64 octets in hexadecimal digits, or text:…";
	return NULL;
}

static int find(struct text all, const char *path, const char *id, const char *address, const char *eid,
		struct psk *ret, char why[PSK_WHY_MAX])
{
	struct psk one;
	int r = -ENOENT;

	for (unsigned no = 1; all.n; no++) {
		struct text line = text_cut(&all, '\n'), eim;
		const char *wrong;

		line = text_trim(line);
		if (!line.n || line.s[0] == '#')
			continue;
		wrong = read_line(line, eid, &eim, &one);
		if (wrong) {
			snprintf(why, PSK_WHY_MAX, "%.60s:%u: %s", path, no, wrong);
			r = -EINVAL;
			break;
		}
		if (r == -ENOENT && (text_eq(eim, "*") || (*id && text_eq(eim, id)) ||
				     (*address && text_case_eq(eim, address)))) {
			*ret = one;
			r = 0;
		}
	}
	crypto_wipe(&one, sizeof(one));
	return r;
}

int psk_load(const char *path, const char *id, const char *address, const char *eid, struct psk *ret,
	     char why[PSK_WHY_MAX])
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	static char all[FILE_MAX];
	size_t n = 0;
	int r = fd < 0 ? -errno : 0;

	*why = '\0';
	if (r == 0)
		r = check_owner(fd, path, why);
	if (r == 0)
		r = read_all(fd, all, sizeof(all), &n);
	if (r < 0) {
		if (!*why)
			snprintf(why, PSK_WHY_MAX, "%.100s: %s", path, strerror(-r));
		/* A file that is not there is not a file without this line. */
		return r == -ENOENT ? -ENODATA : r;
	}
	r = find(text_from(all, n), path, id, address, eid, ret, why);
	crypto_wipe(all, n);
	return r;
}
