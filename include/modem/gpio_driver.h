/* What stands behind gpio.h: the kinds of chips, and libgpiod's two interfaces as one. */
#ifndef MODEM_GPIO_DRIVER_H
#define MODEM_GPIO_DRIVER_H

#include "modem/gpio.h"

struct gpio_driver {
	/* The line has spec and use set. Errors as gpio_open(). */
	int (*open)(struct gpio_line *l, char why[GPIO_WHY_MAX]);
	int (*set)(struct gpio_line *l, bool active);
	int (*get)(const struct gpio_line *l);
	void (*close)(struct gpio_line *l);
};

/* gpio_chip.c: the kernel's; gpio_socket.c: of a program behind a socket, chips named "unix:…" */
extern const struct gpio_driver gpio_chip_driver, gpio_socket_driver;
#define GPIO_SOCKET_PREFIX "unix:"

/* An input has been read: tells its user if that is news. */
void gpio_take(struct gpio_line *l, int value);

/* Where the kernel's chips are, "/dev"; tests put others there. */
extern const char *gpio_chip_dir;

/*
 * gpio_v1.c, gpio_v2.c, and gpio_lib.c for what is the same: what gpio_chip.c needs of libgpiod 1.x or
 * 2.x. Errors are negative errnos.
 */
struct gpio_lib_info {
	char name[GPIO_NAME_MAX], consumer[GPIO_NAME_MAX];      /* "" none */
	bool used;
};

int gpio_lib_chip_open(const char *path, void **ret);
void gpio_lib_chip_close(void *chip);
/* The label into a buffer, and the number of lines. */
int gpio_lib_chip_info(void *chip, char label[GPIO_CHIP_MAX], unsigned *ret_lines);
int gpio_lib_line_info(void *chip, unsigned offset, struct gpio_lib_info *ret);
/* Of it, as the library says it: NULL for what there is not. */
void gpio_lib_note(struct gpio_lib_info *ret, const char *name, const char *consumer, bool used);
/*
 * On success the chip is taken over. edges: an input tells of its changes by ret_fd; -1 where that
 * is not wanted.
 */
int gpio_lib_request(void *chip, unsigned offset, const struct gpio_line *l, bool edges,
		     struct gpio_lib_line **ret, int *ret_fd);
int gpio_lib_set(struct gpio_lib_line *r, bool active);
int gpio_lib_get(struct gpio_lib_line *r);
/* Takes the edges that have come. */
int gpio_lib_drain(struct gpio_lib_line *r);
void gpio_lib_release(struct gpio_lib_line *r);

#endif
