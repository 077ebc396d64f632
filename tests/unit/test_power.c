// SPDX-License-Identifier: Apache-2.0
/* The power port and the keyboard controller's reset line. */
#include <string.h>

#include "devices/power.h"
#include "tests/unit/fake/suite.h"

static struct bus ports;
static struct power power;
static char events[16];

static void event(void *ctx, enum power_event ev)
{
	size_t n = strlen(events);

	ck_assert_ptr_eq(ctx, &ports);
	ck_assert_uint_lt(n, sizeof(events) - 1);
	events[n] = "orkp"[ev];
}

static void reset(void)
{
	ports = (struct bus){ 0 };
	memset(events, 0, sizeof(events));
	ck_assert_int_eq(power_init(&power, &ports, event, &ports), 0);
}

START_TEST(test_each_byte_is_its_own_event)
{
	reset();
	bus_write(&ports, POWER_PORT, 1, 1);
	bus_write(&ports, POWER_PORT, 1, 2);
	bus_write(&ports, POWER_PORT, 1, 3);
	ck_assert_str_eq(events, "orp");
}
END_TEST

START_TEST(test_other_bytes_and_sizes_are_ignored)
{
	unsigned int v;

	reset();
	bus_write(&ports, POWER_PORT, 1, 0);
	for (v = 4; v < 256; v++)
		bus_write(&ports, POWER_PORT, 1, v);
	bus_write(&ports, POWER_PORT, 2, 1);
	bus_write(&ports, POWER_PORT, 4, 1);
	bus_write(&ports, POWER_PORT - 1, 2, 0x100);
	ck_assert_str_eq(events, "");
}
END_TEST

START_TEST(test_keyboard_controller_resets_by_0xfe_only)
{
	unsigned int v;

	reset();
	for (v = 0; v < 256; v++)
		bus_write(&ports, POWER_KBD_PORT, 1, v);
	ck_assert_str_eq(events, "k");
	bus_write(&ports, POWER_KBD_PORT, 4, 0xfe);
	ck_assert_str_eq(events, "k");
}
END_TEST

START_TEST(test_keyboard_controller_is_never_busy)
{
	reset();
	ck_assert_uint_eq(bus_read(&ports, POWER_KBD_PORT, 1), 0);
	ck_assert_uint_eq(bus_read(&ports, POWER_PORT, 1), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		test_each_byte_is_its_own_event,
		test_other_bytes_and_sizes_are_ignored,
		test_keyboard_controller_resets_by_0xfe_only,
		test_keyboard_controller_is_never_busy,
	};

	return suite_run("power", tests, ARRAY_SIZE(tests));
}
