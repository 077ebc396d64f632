// SPDX-License-Identifier: Apache-2.0
/* An init that does nothing but reset the machine: the floor of a boot under any VMM. */
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	(void)reboot(RB_AUTOBOOT);
	return 1;
}
