/* The service manager: readiness and watchdog, by the protocol of sd_notify(3). */
#ifndef NOTIFY_H
#define NOTIFY_H

/* Without a service manager all of these do nothing. */
void notify_ready(const char *status);
void notify_status(const char *status);
void notify_stopping(void);

/* Feeds the watchdog from the loop, as long as no deadline in it is overdue. */
void notify_watchdog_start(void);
void notify_watchdog_stop(void);

#endif
