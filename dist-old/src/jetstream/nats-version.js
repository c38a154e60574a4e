"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.natsVersionFloor = void 0;
exports.atLeast = atLeast;
/** The oldest nats-server that Sluice works with: the first with atomic batches. */
exports.natsVersionFloor = '2.12.0';
/** Whether a version such as "2.15.1" or "v2.15.1-RC.1" is at least the floor; pre-releases count as released. */
function atLeast(version, floor) {
    const found = numbers(version);
    const needed = numbers(floor);
    for (let i = 0; i < 3; i++) {
        const difference = (found[i] ?? 0) - (needed[i] ?? 0);
        if (difference !== 0)
            return difference > 0;
    }
    return true;
}
function numbers(version) {
    return version
        .replace(/^v/, '')
        .split(/[.-]/, 3)
        .map((part) => parseInt(part, 10) || 0);
}
