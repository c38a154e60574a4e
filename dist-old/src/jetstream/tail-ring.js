"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.TailRing = void 0;
/** The newest part of the log, bounded in bytes and commits. */
class TailRing {
    bounds;
    after;
    last;
    entries = [];
    /** Entries before this one have been dropped. */
    first = 0;
    bytes = 0;
    /** Nothing of (`after`, `last`] is missing. */
    constructor(bounds, after, last) {
        this.bounds = bounds;
        this.after = after;
        this.last = last;
    }
    push(entry) {
        this.entries.push(entry);
        this.bytes += entry.bytes;
        this.last = entry.position;
        const { tailBytesMax, tailCommitsMax } = this.bounds;
        while (this.bytes > tailBytesMax || this.entries.length - this.first > tailCommitsMax) {
            const dropped = this.entries[this.first++];
            this.bytes -= dropped.bytes;
            this.after = dropped.position;
        }
        if (this.first > this.entries.length / 2) {
            this.entries = this.entries.slice(this.first);
            this.first = 0;
        }
    }
    /** The entries beyond a position that is not before `after`, in order. */
    *beyond(position) {
        let low = this.first;
        let high = this.entries.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.entries[middle].position <= position)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < this.entries.length; low++)
            yield this.entries[low];
    }
}
exports.TailRing = TailRing;
