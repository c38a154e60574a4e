"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.addHealth = addHealth;
const grpc_health_check_1 = require("grpc-health-check");
/** Adds the service; it is not serving at first. The package is left as it is, but for long watches at a stop. */
function addHealth(server, services, calls) {
    const health = new grpc_health_check_1.HealthImplementation();
    const setServing = (serving) => {
        for (const name of ['', ...services])
            health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    };
    setServing(false);
    health.addToServer({
        addService(_definition, implementation) {
            const watch = implementation['watch'];
            server.addService(grpc_health_check_1.service, { ...implementation, watch: calls.openEnded(watch) });
        },
    });
    return { setServing };
}
