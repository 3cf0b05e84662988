#define COAP_LIB_OWN
#include "net/coap_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

#include "core/util.h"

struct coap_lib coap_lib;

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define X(f) { #f, offsetof(struct coap_lib, f) },
	COAP_LIB_FUNCTIONS
#undef X
};

static void *library;   /* once it has been loaded */

/* Functions go into *lib. */
static int open_file(const char *file, int mode, struct coap_lib *lib, void **ret, char why[COAP_LIB_WHY_MAX])
{
	void *l = dlopen(file, RTLD_NOW | mode);

	if (!l) {
		snprintf(why, COAP_LIB_WHY_MAX, "CoAP needs %s, which cannot be loaded: is it installed?",
			 file);
		return -ENOENT;
	}
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *f = dlsym(l, functions[i].name);

		if (!f) {
			snprintf(why, COAP_LIB_WHY_MAX, "%s has no %s: it is another version than the one this "
				 "program was built for", file, functions[i].name);
			dlclose(l);
			return -ENOTSUP;
		}
		memcpy((char *)lib + functions[i].at, &f, sizeof(f));
	}
	*ret = l;
	return 0;
}

int coap_lib_load(const char *file, char why[COAP_LIB_WHY_MAX])
{
	if (library)
		return 0;
	/* Global: what its DTLS library offers beyond libcoap's face is looked for there, too. */
	return open_file(file, RTLD_GLOBAL, &coap_lib, &library, why);
}

int coap_lib_look(const char *file, char why[COAP_LIB_WHY_MAX])
{
	struct coap_lib unused;
	void *l;
	int r = library ? 0 : open_file(file, RTLD_LOCAL, &unused, &l, why);

	if (!library && r == 0)
		dlclose(l);
	return r;
}

int coap_lib_open(char why[COAP_LIB_WHY_MAX])
{
	return coap_lib_load(COAP_SONAME, why);
}
