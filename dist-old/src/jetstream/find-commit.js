"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.commitWithVersion = commitWithVersion;
const locate_1 = require("./locate");
const scan_1 = require("./scan");
/** The commit that holds a version, which the head must have reached. */
async function commitWithVersion(context, stream, version, head, call) {
    const from = await (0, locate_1.locate)(context, stream, version, head, call);
    const range = { from, through: head.sequence, messagesMax: Number(locate_1.skipVersionsMax) + 1 };
    for await (const commits of (0, scan_1.commitsForward)(context, stream, range, call)) {
        const found = commits.find(({ lastVersion }) => lastVersion >= version);
        if (found !== undefined)
            return found;
    }
    return undefined;
}
