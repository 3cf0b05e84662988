/* The other end of the control socket, for scripts: sim-module tell SOCKET LINE... */
#ifndef SIM_MODULE_TELL_H
#define SIM_MODULE_TELL_H

/* The exit code: 0 the module said ok, 1 it said no or is not there. */
int tell(const char *path, char *const *words, int n);

#endif
