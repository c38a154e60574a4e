"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.version = void 0;
const node_fs_1 = require("node:fs");
const node_path_1 = require("node:path");
/** The version of this package, from its package.json: the nearest one above this file, compiled or not. */
exports.version = readVersion(__dirname);
function readVersion(folder) {
    const file = (0, node_path_1.join)(folder, 'package.json');
    if (!(0, node_fs_1.existsSync)(file))
        return readVersion((0, node_path_1.dirname)(folder));
    return JSON.parse((0, node_fs_1.readFileSync)(file, 'utf8')).version;
}
