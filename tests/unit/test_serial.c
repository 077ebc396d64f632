// SPDX-License-Identifier: Apache-2.0
/* The serial port: registers, interrupts, back-pressure, input and output by pipes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "devices/serial.h"
#include "tests/unit/fake/fake_elf.h"
#include "tests/unit/fake/suite.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct bus ports;
static struct loop *loop;
static struct serial s;
static int in[2], out[2]; /* pipes */

static void start_with(int in_fd, int out_fd)
{
	(void)signal(SIGPIPE, SIG_IGN);
	ports = (struct bus){ 0 };
	ck_assert_int_eq(loop_new(&loop), 0);
	ck_assert_int_eq(serial_init(&s, &ports, loop, in_fd, out_fd), 0);
	loop_lock(loop);
}

static void start(void)
{
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	start_with(in[0], out[1]);
}

static void stop(void)
{
	serial_fini(&s);
	loop_unlock(loop);
	loop_free(loop);
}

static uint8_t rd(unsigned int reg)
{
	return (uint8_t)bus_read(&ports, SERIAL_PORT + reg, 1);
}

static void wr(unsigned int reg, uint8_t v)
{
	bus_write(&ports, SERIAL_PORT + reg, 1, v);
}

/* As a driver that has started */
static void open_port(void)
{
	wr(MCR, 8);
	wr(IER, 1);
}

/* Let the loop do what is ready */
static void step(void)
{
	int n;

	loop_unlock(loop);
	do
		n = loop_step(loop, 0);
	while (n > 0);
	ck_assert_int_eq(n, 0);
	loop_lock(loop);
}

static bool irq_seen(void)
{
	uint64_t n;

	return read(s.irq.fd, &n, sizeof(n)) == (ssize_t)sizeof(n);
}

static size_t readable(int fd, char *buf, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = 0;

	if (poll(&p, 1, 0) > 0)
		n = read(fd, buf, cap);
	return n > 0 ? (size_t)n : 0;
}

START_TEST(test_bytes_written_come_out_in_order)
{
	char buf[16];

	start();
	wr(DATA, 'h');
	wr(DATA, 'i');
	step();
	ck_assert_uint_eq(readable(out[0], buf, sizeof(buf)), 2);
	ck_assert_mem_eq(buf, "hi", 2);
	stop();
}
END_TEST

START_TEST(test_a_slow_reader_slows_the_guest_and_loses_nothing)
{
	static char buf[1 << 17];
	size_t sent = 0, got = 0, i;
	int stalls = 0;

	start();
	while (sent < sizeof(buf)) {
		if ((rd(LSR) & 0x20) != 0) {
			wr(DATA, (uint8_t)(sent * 7));
			sent++;
			continue;
		}
		step();
		if ((rd(LSR) & 0x20) == 0) {
			stalls++;
			got += readable(out[0], buf + got, 1000);
		}
	}
	while (got < sent) {
		step();
		got += readable(out[0], buf + got, sizeof(buf) - got);
	}
	ck_assert_int_gt(stalls, 0);
	for (i = 0; i < sent; i++)
		ck_assert_uint_eq((uint8_t)buf[i], (uint8_t)(i * 7));
	stop();
}
END_TEST

START_TEST(test_a_full_ring_without_patience_drops_bytes_only)
{
	int i;

	start();
	for (i = 0; i < 100000; i++)
		wr(DATA, 'x');
	ck_assert_uint_le(s.tx_len, SERIAL_RING);
	stop();
}
END_TEST

START_TEST(test_a_reader_that_is_gone_is_forgotten)
{
	start();
	(void)close(out[0]);
	wr(DATA, 'x');
	step();
	ck_assert_int_eq(s.out_fd, -1);
	wr(DATA, 'y');
	ck_assert_uint_eq(rd(LSR) & 0x60, 0x60);
	step();
	stop();
}
END_TEST

START_TEST(test_output_to_a_file_needs_no_loop)
{
	int fd = fake_file("", 0);
	char buf[4] = "";

	start_with(-1, fd);
	wr(DATA, 'a');
	wr(DATA, 'b');
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), 2);
	ck_assert_mem_eq(buf, "ab", 2);
	stop();
}
END_TEST

START_TEST(test_flush_writes_what_the_ring_holds)
{
	char buf[8];

	start();
	wr(DATA, 'e');
	wr(DATA, 'n');
	wr(DATA, 'd');
	serial_flush(&s, 1000);
	ck_assert_uint_eq(readable(out[0], buf, sizeof(buf)), 3);
	ck_assert_mem_eq(buf, "end", 3);
	stop();
}
END_TEST

START_TEST(test_flush_ends_with_a_reader_that_does_not_read)
{
	int i;

	start();
	for (i = 0; i < 100; i++) {
		wr(DATA, 'x');
		serial_flush(&s, 1);
	}
	while ((rd(LSR) & 0x20) != 0)
		wr(DATA, 'x');
	ck_assert_int_gt(fcntl(out[1], F_SETPIPE_SZ, 4096), 0);
	serial_flush(&s, 20);
	stop();
}
END_TEST

START_TEST(test_input_is_read_as_the_fifo_has_room)
{
	char text[SERIAL_FIFO + 10];
	size_t i;

	memset(text, 'q', sizeof(text));
	start();
	open_port();
	ck_assert_uint_eq(rd(LSR) & 1, 0);
	ck_assert_int_eq(write(in[1], text, sizeof(text)), (ssize_t)sizeof(text));
	step();
	ck_assert_uint_eq(s.rx_len, SERIAL_FIFO);
	for (i = 0; i < sizeof(text); i++) {
		ck_assert_uint_eq(rd(LSR) & 1, 1);
		ck_assert_uint_eq(rd(DATA), 'q');
		step();
	}
	ck_assert_uint_eq(rd(LSR) & 1, 0);
	ck_assert_uint_eq(rd(DATA), 0);
	stop();
}
END_TEST

START_TEST(test_input_waits_until_the_driver_wants_it)
{
	int fd = fake_file("file", 4);

	start();
	ck_assert_int_eq(write(in[1], "early", 5), 5);
	step();
	wr(IER, 15); /* a driver that probes switches all interrupts on, */
	step();
	wr(IER, 0);
	wr(IIR, 7); /* and when it starts it clears the FIFO and reads a byte */
	ck_assert_uint_eq(rd(DATA), 0);
	open_port();
	step();
	ck_assert_uint_eq(rd(DATA), 'e');
	wr(IER, 0);
	ck_assert_int_eq(write(in[1], "late", 4), 4);
	step();
	ck_assert_uint_eq(s.rx_len, 4);
	stop();
	start_with(fd, -1);
	wr(IIR, 7);
	ck_assert_uint_eq(rd(DATA), 0);
	open_port();
	ck_assert_uint_eq(rd(DATA), 'f');
	stop();
}
END_TEST

START_TEST(test_end_of_input_ends_nothing_else)
{
	start();
	open_port();
	(void)close(in[1]);
	step();
	ck_assert_int_eq(s.in_fd, -1);
	wr(DATA, 'x');
	step();
	ck_assert_int_eq(s.out_fd, out[1]);
	stop();
}
END_TEST

START_TEST(test_input_from_a_file_is_read_to_its_end)
{
	char text[SERIAL_FIFO * 2 + 5];
	size_t i;
	int fd;

	memset(text, 'f', sizeof(text));
	fd = fake_file(text, sizeof(text));
	start_with(fd, -1);
	open_port();
	for (i = 0; i < sizeof(text); i++)
		ck_assert_uint_eq(rd(DATA), 'f');
	ck_assert_uint_eq(rd(LSR) & 1, 0);
	stop();
}
END_TEST

START_TEST(test_receive_interrupt_is_an_edge_for_each_time_data_comes)
{
	start();
	open_port();
	ck_assert(!irq_seen());
	ck_assert_int_eq(write(in[1], "ab", 2), 2);
	step();
	ck_assert(irq_seen());
	ck_assert_uint_eq(rd(IIR) & 0xf, 4);
	(void)rd(DATA);
	ck_assert_uint_eq(rd(IIR) & 0xf, 4);
	(void)rd(DATA);
	ck_assert_uint_eq(rd(IIR) & 0xf, 1);
	ck_assert(!irq_seen());
	ck_assert_int_eq(write(in[1], "c", 1), 1);
	step();
	ck_assert(irq_seen());
	stop();
}
END_TEST

START_TEST(test_transmit_interrupt_comes_when_enabled_and_after_each_batch)
{
	start();
	wr(IER, 2);
	ck_assert(irq_seen());
	ck_assert_uint_eq(rd(IIR) & 0xf, 2);
	ck_assert_uint_eq(rd(IIR) & 0xf, 1); /* reading it cleared it */
	wr(DATA, 'x');
	ck_assert(irq_seen());
	wr(DATA, 'y');
	ck_assert(!irq_seen()); /* still on: no edge */
	ck_assert_uint_eq(rd(IIR) & 0xf, 2);
	wr(IER, 0);
	ck_assert_uint_eq(rd(IIR) & 0xf, 1);
	stop();
}
END_TEST

START_TEST(test_transmit_interrupt_comes_when_a_full_ring_has_room_again)
{
	char buf[SERIAL_RING];
	int i;

	start();
	for (i = 0; (rd(LSR) & 0x20) != 0; i++)
		wr(DATA, 'x');
	ck_assert_int_gt(i, SERIAL_RING - 32);
	wr(IER, 2);
	while (irq_seen())
		(void)rd(IIR);
	step();
	(void)readable(out[0], buf, sizeof(buf));
	ck_assert(irq_seen());
	ck_assert_uint_eq(rd(IIR) & 0xf, 2);
	stop();
}
END_TEST

START_TEST(test_registers_read_back)
{
	start();
	wr(SCR, 0x5a);
	ck_assert_uint_eq(rd(SCR), 0x5a);
	wr(IER, 0xff);
	ck_assert_uint_eq(rd(IER), 0x0f);
	wr(LCR, 0x80);
	wr(DATA, 0x34);
	wr(IER, 0x12);
	ck_assert_uint_eq(rd(DATA), 0x34);
	ck_assert_uint_eq(rd(IER), 0x12);
	wr(LCR, 3);
	ck_assert_uint_eq(rd(LCR), 3);
	ck_assert_uint_eq(rd(IER), 0x0f);
	wr(MCR, 0xff);
	ck_assert_uint_eq(rd(MCR), 0x1f);
	wr(LSR, 0);
	wr(MSR, 0);
	ck_assert_uint_eq(rd(LSR), 0x60);
	stop();
}
END_TEST

START_TEST(test_fifo_shows_in_iir_and_is_cleared)
{
	start();
	ck_assert_uint_eq(rd(IIR), 1);
	wr(IIR, 1);
	ck_assert_uint_eq(rd(IIR), 0xc1);
	open_port();
	ck_assert_int_eq(write(in[1], "abc", 3), 3);
	step();
	ck_assert_uint_eq(rd(LSR) & 1, 1);
	wr(IIR, 3);
	ck_assert_uint_eq(rd(LSR) & 1, 0);
	stop();
}
END_TEST

START_TEST(test_loopback_returns_bytes_and_modem_lines)
{
	char buf[4];

	start();
	ck_assert_uint_eq(rd(MSR), 0xb0);
	wr(MCR, 0x1a); /* loop, OUT2, RTS: as Linux probes */
	ck_assert_uint_eq(rd(MSR) & 0xf0, 0x90);
	wr(DATA, 'z');
	ck_assert_uint_eq(rd(DATA), 'z');
	step();
	ck_assert_uint_eq(readable(out[0], buf, sizeof(buf)), 0);
	stop();
}
END_TEST

START_TEST(test_wide_accesses_are_nothing)
{
	start();
	ck_assert_uint_eq(bus_read(&ports, SERIAL_PORT, 2), 0xffff);
	bus_write(&ports, SERIAL_PORT + SCR - 1, 2, 0x4242);
	ck_assert_uint_eq(rd(SCR), 0);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_bytes_written_come_out_in_order,
		test_a_slow_reader_slows_the_guest_and_loses_nothing,
		test_a_full_ring_without_patience_drops_bytes_only,
		test_a_reader_that_is_gone_is_forgotten,
		test_output_to_a_file_needs_no_loop,
		test_flush_writes_what_the_ring_holds,
		test_flush_ends_with_a_reader_that_does_not_read,
		test_input_is_read_as_the_fifo_has_room,
		test_input_waits_until_the_driver_wants_it,
		test_end_of_input_ends_nothing_else,
		test_input_from_a_file_is_read_to_its_end,
		test_receive_interrupt_is_an_edge_for_each_time_data_comes,
		test_transmit_interrupt_comes_when_enabled_and_after_each_batch,
		test_transmit_interrupt_comes_when_a_full_ring_has_room_again,
		test_registers_read_back,
		test_fifo_shows_in_iir_and_is_cleared,
		test_loopback_returns_bytes_and_modem_lines,
		test_wide_accesses_are_nothing,
	};

	return suite_run("serial", tests, ARRAY_SIZE(tests));
}
