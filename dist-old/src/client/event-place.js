"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.beyond = beyond;
const numbers_1 = require("./numbers");
/** Throws TypeError and RangeError. */
function beyond(place, direction = 'forward') {
    if (place === undefined)
        return { afterPosition: undefined, isBeyond: () => true };
    if (typeof place !== 'object')
        return { afterPosition: (0, numbers_1.toUint64)(place, 'after'), isBeyond: () => true };
    const position = (0, numbers_1.toUint64)(place.position, 'after.position');
    const version = (0, numbers_1.toUint64)(place.version, 'after.version');
    if (direction === 'backward') {
        const isBeyond = (event) => event.position < position || event.version < version;
        return { afterPosition: position + 1n, isBeyond };
    }
    const isBeyond = (event) => event.position > position || event.version > version;
    return { afterPosition: position > 0n ? position - 1n : 0n, isBeyond };
}
