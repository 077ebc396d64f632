// SPDX-License-Identifier: Apache-2.0
#include "runtime-cli/cli.h"

#ifndef KVMBOX_COMMIT
#define KVMBOX_COMMIT "unknown"
#endif

const char cli_version_text[] = "kvmbox version " KVMBOX_VERSION "\n"
				"commit: " KVMBOX_COMMIT "\n"
				"spec: 1.2.0\n"
				"+KVM +9P +VSOCK\n";
