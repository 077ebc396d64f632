// SPDX-License-Identifier: Apache-2.0
/*
 * Registers, by offset, DLAB being bit 7 of LCR:
 *
 *   0  read RBR, write THR (DLAB: divisor low)    4  MCR
 *   1  IER (DLAB: divisor high)                   5  LSR, read-only
 *   2  read IIR, write FCR                        6  MSR, read-only: modem always ready
 *   3  LCR                                        7  SCR
 *
 * The interrupt output is a level here and an edge for KVM: the line is raised whenever the output goes from off to on,
 * and a driver handles interrupts until IIR says there is none. Reading IIR with a transmitter-empty interrupt on top
 * clears that one, as on the chip.
 */
#include "devices/serial.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IER_RX = 1, IER_THR = 2, IER_ALL = 15 };
enum { IIR_NONE = 1, IIR_THR = 2, IIR_RX = 4, IIR_FIFO = 0xc0 };
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2 };
enum { LCR_DLAB = 0x80 };
enum { MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LSR_RX = 1, LSR_THR_EMPTY = 0x20, LSR_IDLE = 0x40 };
enum { MSR_READY = 0xb0 }; /* carrier, data set ready, clear to send */

/* A ready pipe takes this much without blocking. */
enum { WRITE_MAX = PIPE_BUF };

/* Linux puts as many bytes as the 16550A's FIFO takes after one look at LSR. */
enum { TX_BURST = 16 };

static bool tx_room(const struct serial *s)
{
	return s->tx_len <= SERIAL_RING - TX_BURST;
}

static uint8_t pending(const struct serial *s)
{
	if ((s->ier & IER_RX) != 0 && s->rx_len > 0)
		return IIR_RX;
	if ((s->ier & IER_THR) != 0 && s->thr_pending)
		return IIR_THR;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	bool on = pending(s) != IIR_NONE;

	if (on && !s->asserted)
		irq_raise(&s->irq);
	s->asserted = on;
}

/* --- output --- */

/* One write of what lies in a row; false when nothing more can be done now */
static bool write_some(struct serial *s)
{
	size_t run = min_size(s->tx_len, SERIAL_RING - s->tx_head);
	ssize_t n;

	if (run == 0)
		return false;
	n = write(s->out_fd, s->tx + s->tx_head, min_size(run, WRITE_MAX));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n < 0) {
		s->out_fd = -1; /* the reader is gone: the guest need not know */
		s->tx_len = 0;
		return false;
	}
	s->tx_head = (s->tx_head + (unsigned int)n) % SERIAL_RING;
	s->tx_len -= (unsigned int)n;
	return true;
}

static void tx_drained(struct serial *s)
{
	if (tx_room(s) && !s->thr_pending) {
		s->thr_pending = true;
		update_irq(s);
	}
}

static void out_ready(void *arg, uint32_t events UNUSED)
{
	struct serial *s = arg;
	bool was_full = !tx_room(s);

	(void)write_some(s); /* one per readiness: a second might block */
	if (s->out_fd < 0) {
		loop_del(s->loop, s->out_id);
		s->out_id = 0;
	} else if (s->tx_len == 0) {
		loop_mod_fd(s->loop, s->out_id, 0);
	}
	if (was_full)
		tx_drained(s);
}

static void put_byte(struct serial *s, uint8_t c)
{
	if (s->out_fd >= 0 && s->tx_len < SERIAL_RING) {
		s->tx[(s->tx_head + s->tx_len) % SERIAL_RING] = c;
		s->tx_len++;
	}
	if (s->out_file)
		while (s->out_fd >= 0 && write_some(s))
			;
	else if (s->tx_len == 1)
		loop_mod_fd(s->loop, s->out_id, EPOLLOUT);
	s->thr_pending = tx_room(s);
	update_irq(s);
}

void serial_flush(struct serial *s, int timeout_ms)
{
	struct timespec start, now;
	struct pollfd p = { .fd = s->out_fd, .events = POLLOUT };
	int left = timeout_ms;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	while (s->out_fd >= 0 && s->tx_len > 0 && left > 0 && poll(&p, 1, left) > 0) {
		(void)write_some(s); /* false only for an interrupted or refused write: poll again */
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		left = timeout_ms - (int)((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000);
	}
}

/* --- input --- */

static void stop_input(struct serial *s)
{
	if (s->in_id != 0)
		loop_del(s->loop, s->in_id);
	s->in_id = 0;
	s->in_fd = -1;
}

/* Read what the FIFO has room for, once */
static void fill_rx(struct serial *s)
{
	uint8_t buf[SERIAL_FIFO];
	size_t room = SERIAL_FIFO - s->rx_len;
	ssize_t n, i;

	if (room == 0 || s->in_fd < 0)
		return;
	n = read(s->in_fd, buf, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		stop_input(s);
		return;
	}
	for (i = 0; i < n; i++)
		s->rx[(s->rx_head + s->rx_len++) % SERIAL_FIFO] = buf[i];
}

/*
 * Input is taken while the driver can be told about it (receive interrupt on, OUT2 on, which connects a PC's interrupt
 * line) and the FIFO has room. It waits in in_fd otherwise: a driver that probes and starts switches the interrupt on
 * and off, reads a byte and clears the FIFO, and what was typed before would be lost.
 */
static bool input_wanted(const struct serial *s)
{
	return (s->ier & IER_RX) != 0 && (s->mcr & MCR_OUT2) != 0 && s->rx_len < SERIAL_FIFO;
}

static void update_input(struct serial *s)
{
	if (s->in_fd < 0)
		return;
	if (!s->in_file)
		loop_mod_fd(s->loop, s->in_id, input_wanted(s) ? EPOLLIN : 0);
	else if (input_wanted(s) && s->rx_len == 0)
		fill_rx(s);
}

static void in_ready(void *arg, uint32_t events UNUSED)
{
	struct serial *s = arg;

	if (input_wanted(s))
		fill_rx(s);
	update_input(s);
	update_irq(s);
}

static uint8_t get_byte(struct serial *s)
{
	uint8_t c;

	if (s->rx_len == 0)
		return 0;
	c = s->rx[s->rx_head];
	s->rx_head = (s->rx_head + 1) % SERIAL_FIFO;
	s->rx_len--;
	update_input(s);
	update_irq(s);
	return c;
}

/* --- registers --- */

static uint8_t read_iir(struct serial *s)
{
	uint8_t iir = pending(s);

	if (iir == IIR_THR) {
		s->thr_pending = false;
		update_irq(s);
	}
	return s->fifo_on ? iir | IIR_FIFO : iir;
}

static uint8_t read_lsr(const struct serial *s)
{
	uint8_t lsr = s->rx_len > 0 ? LSR_RX : 0;

	return tx_room(s) ? lsr | LSR_THR_EMPTY | LSR_IDLE : lsr;
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned int size)
{
	struct serial *s = dev;
	bool dlab = (s->lcr & LCR_DLAB) != 0;

	if (size != 1)
		return UINT64_MAX;
	switch (off) {
	case 0: return dlab ? (uint8_t)s->divisor : get_byte(s);
	case 1: return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case 2: return read_iir(s);
	case 3: return s->lcr;
	case 4: return s->mcr;
	case 5: return read_lsr(s);
	case 6:
		return (s->mcr & MCR_LOOP) != 0 ? (uint8_t)((s->mcr & 0xc) << 4 | (s->mcr & 2) << 3 | (s->mcr & 1) << 5)
						: MSR_READY;
	default: return s->scr;
	}
}

static void write_thr(struct serial *s, uint8_t v)
{
	if ((s->mcr & MCR_LOOP) == 0) {
		put_byte(s, v);
		return;
	}
	if (s->rx_len < SERIAL_FIFO)
		s->rx[(s->rx_head + s->rx_len++) % SERIAL_FIFO] = v;
	s->thr_pending = true;
	update_irq(s);
}

static void write_ier(struct serial *s, uint8_t v)
{
	/* Switching the transmitter interrupt on while it is empty makes one. */
	if ((v & ~s->ier & IER_THR) != 0 && tx_room(s))
		s->thr_pending = true;
	s->ier = v & IER_ALL;
	update_input(s);
	update_irq(s);
}

static void write_fcr(struct serial *s, uint8_t v)
{
	s->fifo_on = (v & FCR_ENABLE) != 0;
	if ((v & FCR_CLEAR_RX) == 0)
		return;
	s->rx_len = 0;
	update_input(s);
	update_irq(s);
}

static void serial_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct serial *s = dev;
	bool dlab = (s->lcr & LCR_DLAB) != 0;
	uint8_t v = (uint8_t)val;

	if (size != 1)
		return;
	switch (off) {
	case 0:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | v);
		else
			write_thr(s, v);
		return;
	case 1:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff) | v << 8);
		else
			write_ier(s, v);
		return;
	case 2: write_fcr(s, v); return;
	case 3: s->lcr = v; return;
	case 4:
		s->mcr = v & 0x1f;
		update_input(s);
		update_irq(s);
		return;
	case 7: s->scr = v; return;
	default: return; /* LSR and MSR are read-only */
	}
}

static const struct bus_ops serial_ops = { .read = serial_read, .write = serial_write };

int serial_init(struct serial *s, struct bus *ports, struct loop *loop, int in_fd, int out_fd)
{
	int r;

	*s = (struct serial){ .loop = loop, .in_fd = in_fd, .out_fd = out_fd, .divisor = 12 };
	r = irq_line_init(&s->irq, SERIAL_GSI);
	if (r < 0)
		return r;
	r = bus_add(ports, SERIAL_PORT, SERIAL_PORT_LEN, &serial_ops, s);
	if (r < 0) {
		irq_line_fini(&s->irq);
		return r;
	}
	if (in_fd >= 0) {
		s->in_id = loop_add_fd(loop, in_fd, EPOLLIN, in_ready, s);
		s->in_file = s->in_id == 0; /* epoll refuses files */
		update_input(s);
	}
	if (out_fd >= 0) {
		s->out_id = loop_add_fd(loop, out_fd, EPOLLOUT, out_ready, s);
		s->out_file = s->out_id == 0;
	}
	return 0;
}

void serial_fini(struct serial *s)
{
	if (s->out_id != 0)
		loop_del(s->loop, s->out_id);
	if (s->in_id != 0)
		loop_del(s->loop, s->in_id);
	irq_line_fini(&s->irq);
}
