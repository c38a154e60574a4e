/* eslint-disable @typescript-eslint/no-deprecated -- in this version of the API, nothing else tells a missing SDK */
import { ProxyTracerProvider, trace } from '@opentelemetry/api';

/** What the API has instead of the provider of an SDK. */
const noProvider = new ProxyTracerProvider().getDelegate();

/** Whether this process has loaded an SDK of OpenTelemetry. Cheap, and allocates nothing. */
export function hasSdk(): boolean {
  const provider = trace.getTracerProvider();
  return (provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider) !== noProvider;
}
