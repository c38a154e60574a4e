"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.parseNatsUrls = parseNatsUrls;
exports.withoutCredentials = withoutCredentials;
/** For zod: parses URLs such as `nats://user:password@host:4222,tls://token@host`. Issues never quote them. */
function parseNatsUrls(text, context) {
    const servers = [];
    const logins = new Map();
    let tls = false;
    const issue = (message) => {
        context.issues.push({ code: 'custom', message, input: text });
    };
    for (const [index, part] of text.split(',').entries()) {
        const ordinal = text.includes(',') ? ` (URL ${(index + 1).toString()})` : '';
        const url = toUrl(part.trim());
        if (url === undefined) {
            issue(`must be URLs such as nats://host:4222, comma-separated${ordinal}`);
            continue;
        }
        servers.push(`${url.protocol}//${url.host}`);
        tls ||= url.protocol === 'tls:';
        try {
            const login = loginOf(url);
            if (login !== undefined)
                logins.set(JSON.stringify(login), login);
        }
        catch {
            issue(`has credentials that are not percent-encoded${ordinal}`);
        }
    }
    if (logins.size > 1)
        issue('must not have different credentials in its URLs');
    return { servers, tls, login: [...logins.values()][0] };
}
/** A list of URLs that can be parsed, with credentials blotted out. */
function withoutCredentials(urls) {
    return urls.replace(/(^|,\s*)([a-z]+:\/\/)?[^,\s]*@/g, '$1$2***@');
}
function toUrl(text) {
    const full = text.includes('://') ? text : `nats://${text}`;
    if (text === '' || !URL.canParse(full))
        return undefined;
    const url = new URL(full);
    const isServer = url.hostname !== '' && ['', '/'].includes(url.pathname) && url.search + url.hash === '';
    return isServer && ['nats:', 'tls:'].includes(url.protocol) ? url : undefined;
}
function loginOf({ username, password }) {
    const user = decodeURIComponent(username);
    if (password !== '')
        return { kind: 'user', user, password: decodeURIComponent(password) };
    return user === '' ? undefined : { kind: 'token', token: user };
}
