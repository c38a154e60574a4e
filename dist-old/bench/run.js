"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.runTable = runTable;
exports.calls = calls;
exports.inWords = inWords;
exports.plural = plural;
const measure_1 = require("./measure");
/** Measures those rows of a table that were asked for; undefined if there are none. `open` starts what they need. */
async function runTable(run, { title, about, rows }, open) {
    const { only, rounds } = run.settings;
    const chosen = rows.filter(({ what, callers }) => only.test(`${title}: ${what}, ${callers}`));
    if (chosen.length === 0)
        return undefined;
    run.progress(`${title}: starting servers and filling stores`);
    return open(async (plan) => {
        const measured = [];
        for (const row of chosen) {
            run.progress(`${title}: ${row.what}, callers: ${row.callers}`);
            measured.push(await (0, measure_1.measure)(plan, row, rounds, run.signal));
        }
        const [{ label: first }, { label: second }] = plan.sides;
        return { title, about, labels: [first, second], rows: measured };
    });
}
/** So many calls as a full run makes, or fewer in a quick one. */
function calls(full, { callsShare }) {
    return Math.max(1, Math.round(full * callsShare));
}
function inWords(count) {
    return count.toLocaleString('en');
}
/** "1 event", "10,000 events". */
function plural(count, noun) {
    return `${inWords(count)} ${noun}${count === 1 ? '' : 's'}`;
}
