// SPDX-License-Identifier: Apache-2.0
/*
 * A 16550A serial port: the console when one was asked for.
 *
 * Output goes through a fixed ring to out_fd, drained by the loop; while it is full the port reports a busy
 * transmitter, so a slow reader slows the guest down and loses nothing. Input comes from in_fd as far as the FIFO has
 * room and the driver wants it. Neither fd is made non-blocking (they may be a terminal shared with others): each is
 * used only when it is ready.
 *
 * fds are not owned. Threads: register access on a vcpu thread, the rest on the loop; device lock held.
 */
#ifndef KVMBOX_SERIAL_H
#define KVMBOX_SERIAL_H

#include "vmm/core/bus.h"
#include "vmm/core/irq.h"
#include "vmm/core/loop.h"

#define SERIAL_PORT     0x3f8
#define SERIAL_PORT_LEN 8
#define SERIAL_GSI      4

#define SERIAL_FIFO 64
#define SERIAL_RING 4096

struct serial {
	struct loop *loop;
	struct irq_line irq;

	int in_fd;    /* -1: none, or at end of file */
	bool in_file; /* in_fd cannot be watched (a file): always ready */
	loop_id in_id;
	int out_fd; /* -1: output is dropped (no reader any more) */
	bool out_file;
	loop_id out_id;

	uint8_t rx[SERIAL_FIFO];
	unsigned int rx_head, rx_len;
	uint8_t tx[SERIAL_RING];
	unsigned int tx_head, tx_len;

	uint8_t ier, lcr, mcr, scr;
	uint16_t divisor;
	bool fifo_on;
	bool thr_pending; /* a transmitter-empty interrupt is due */
	bool asserted;    /* state of the interrupt output */
};

/* Put the port on the bus. Owns its interrupt line. in_fd and out_fd may be -1. 0 or -errno */
int serial_init(struct serial *s, struct bus *ports, struct loop *loop, int in_fd, int out_fd) MUST_CHECK;
void serial_fini(struct serial *s);

/* Write out what the ring holds, for at most timeout_ms: before the VM ends. */
void serial_flush(struct serial *s, int timeout_ms);

#endif
