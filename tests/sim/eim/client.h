/* The other end of the control socket: sends the words, prints what comes, gives the exit code. */
#ifndef SIM_EIM_CLIENT_H
#define SIM_EIM_CLIENT_H

int se_client_run(const char *dir, int argc, char *const *argv);
/* The last lines of DIR/log.txt, then, if wanted, every new one. */
int se_client_log(const char *dir, unsigned lines, int follow);

#endif
