"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.spawnTied = spawnTied;
const node_child_process_1 = require("node:child_process");
const node_events_1 = require("node:events");
/**
 * A shell that becomes the program, so that pid and signals are the program's. What it leaves behind waits on a pipe
 * from this process: a line says that the program is gone, the end of the pipe that this process is; then the program
 * is asked to end, and woken in case it is paused.
 */
const shell = 'exec 3<&0 </dev/null; { read -r line <&3 || { kill -TERM $$; kill -CONT $$; }; } >/dev/null 2>&1 & exec "$0" "$@" 3<&-';
const stderrTailChars = 4_096;
/** Starts a program. It has a session of its own: Ctrl-C in the terminal is for this process to handle. */
function spawnTied(path, args) {
    const child = (0, node_child_process_1.spawn)('/bin/sh', ['-c', shell, path, ...args], {
        stdio: ['pipe', 'ignore', 'pipe'],
        detached: true,
    });
    let tail = '';
    let end;
    child.stderr.setEncoding('utf8').on('data', (text) => {
        tail = (tail + text).slice(-stderrTailChars);
    });
    // The pipe breaks when the shell's rest ends before us: nothing is lost.
    child.stdin.on('error', () => undefined);
    const ended = whenEnded(child).then((how) => {
        end = how;
        child.stdin.end('\n');
        return how;
    });
    const kill = (signal) => {
        if (end === undefined)
            child.kill(signal);
    };
    return {
        pid: child.pid,
        ended,
        get end() {
            return end;
        },
        kill,
        stderrTail: () => tail.trim(),
        async stop(timeoutMs) {
            kill('SIGTERM');
            const timer = setTimeout(kill, timeoutMs, 'SIGKILL');
            await ended;
            clearTimeout(timer);
        },
    };
}
async function whenEnded(child) {
    try {
        const [code, signal] = (await (0, node_events_1.once)(child, 'exit'));
        return signal ?? `exit code ${String(code)}`;
    }
    catch (error) {
        return String(error);
    }
}
