"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
const indexWriter = require("../src/jetstream/index-writer");
const recentKeys = require("../src/jetstream/recent-keys");
const idleWriter = { position: 0n, close: () => Promise.resolve() };
const noKeys = {
    add: () => undefined,
    forget: () => undefined,
    within: function* () { },
    gaps: function* (stretch) {
        yield stretch;
    },
};
Object.assign(indexWriter, { startIndexWriter: () => idleWriter });
Object.assign(recentKeys, { createRecentKeys: () => noKeys });
