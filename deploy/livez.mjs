// For the health check of a container: ends with 0 if /livez of the gateway beside it says that it lives, else with 1.
const port = /:(\d+)$/.exec(process.env.SLUICE_HTTP_LISTEN ?? '')?.[1] ?? '8080';
try {
  const { ok, status } = await fetch(`http://127.0.0.1:${port}/livez`, {
    signal: AbortSignal.timeout(4_000),
  });
  if (!ok) console.error(`/livez: ${status}`);
  process.exitCode = ok ? 0 : 1;
} catch (error) {
  console.error(`/livez: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
