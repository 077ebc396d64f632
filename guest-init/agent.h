// SPDX-License-Identifier: Apache-2.0
/*
 * State shared by server.c (the control connection) and process.c (the processes); nobody else includes this.
 */
#ifndef KVMBOX_AGENT_H
#define KVMBOX_AGENT_H

#include "guest-init/evloop.h"
#include "guest-init/server.h"
#include "guest-init/stream.h"

#define PROCESS_MAX 128
#define ANSWER_MAX  512 /* an ERROR or EXITED frame */
#define OUTPUT_MAX  ((size_t)160 << 10)
/* No request is read while the output has less room: every process may still owe an answer and an EXITED. */
#define OUTPUT_RESERVE ((size_t)2 * PROCESS_MAX * ANSWER_MAX)

struct agent;

/*
 *     CREATING  cloned; READY or FAILED is to come           -> CREATED, DOOMED
 *     CREATED   waits for START; EXITED is owed from here on -> STARTING
 *     STARTING  told to execute                              -> RUNNING (the socket closed), DOOMED (FAILED)
 *     RUNNING   the container's program
 *     DOOMED    it failed and will be reaped; a failed CREATE is answered then, so that its number is free again
 * In every state but FREE it may be reaped, which leads to FREE when its output is delivered.
 */
enum process_state {
	PROCESS_FREE,
	PROCESS_CREATING,
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_DOOMED
};

struct process {
	struct agent *agent;
	enum process_state state;
	uint32_t proc;
	struct spawned sp;
	struct ev sync;
	uint32_t seq;     /* of the request that waits for its answer */
	uint32_t streams; /* mask of the CREATE */
	int cgroup;
	bool own_pids;    /* is the init of a pid namespace: nothing of it outlives it */
	bool owes_answer; /* of the CREATE that failed, with this */
	struct err failure;
	bool owes_exited;
	bool reaped;
	int status;          /* of waitpid() */
	int64_t deadline_ms; /* reaped: output that nobody ends is given up then */
};

struct agent {
	const struct server_config *cfg;
	struct evloop loop;
	struct ev control, listener, sigchld;
	struct stream_set streams;
	struct process procs[PROCESS_MAX];
	bool stop;
	enum server_end end;

	/* input: a header, then a body of exactly its length */
	uint8_t head[PROTO_HEADER_LEN];
	size_t head_got;
	uint8_t *frame; /* header and body; NULL while the header is read */
	size_t frame_len, frame_got;
	bool input_more;
	bool reap_more;

	size_t out_off, out_len;
	uint8_t out[OUTPUT_MAX];
};

/* --- server.c --- */
void agent_answer_ok(struct agent *a, uint32_t seq);
void agent_answer_error(struct agent *a, uint32_t seq, const struct err *e);
/* false: no room now, try again later */
bool agent_send_exited(struct agent *a, const struct process *p, uint32_t code, uint32_t signal, uint32_t flags);

/* --- process.c --- */
extern const struct stream_ops process_stream_ops; /* ctx: the agent */

/* Each answers the request seq, at once or later. */
void process_create(struct agent *a, uint32_t seq, struct rd body);
void process_start(struct agent *a, uint32_t seq, uint32_t proc);
void process_signal(struct agent *a, uint32_t seq, uint32_t proc, uint32_t signo, bool all);
void process_winsize(struct agent *a, uint32_t seq, uint32_t proc, uint16_t rows, uint16_t columns);

/* waitpid() gave this; pids of no process of ours (orphans) are ignored. */
void process_reaped(struct agent *a, pid_t pid, int status);

/* Milliseconds until process_tick() is due, -1: never. */
int process_timeout_ms(const struct agent *a);
void process_tick(struct agent *a);

/* SIGKILL to all that runs, and everything closed. Does not wait. */
void process_kill_all(struct agent *a);

#endif
