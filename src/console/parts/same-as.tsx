import type { VNode } from 'preact';
import { grpcAddressOf, grpcurlLine, sluiceLine, type Commands } from '../reads/commands';
import { token } from '../wire/token';
import { Copy } from './copy';
import { useGateway } from './gateway';

/** The commands that give what the page shows. */
export function SameAs({ commands }: { readonly commands: Commands }): VNode {
  const { address, tls } = useGateway();
  const grpc = grpcAddressOf(location.hostname, address);
  const where = { grpc, hasToken: token() !== undefined, hasTls: tls };
  const sluice = sluiceLine(commands, where);
  const lines = [
    { name: 'sluice', line: sluice },
    { name: 'grpcurl', line: grpcurlLine(commands, where) },
  ];
  return (
    <section class="same-as" aria-label={`The same from a terminal: ${commands.method}`}>
      <h2 class="small-title">The same from a terminal</h2>
      {lines.map(({ name, line }) =>
        line === undefined ? null : (
          <div class="command" key={name}>
            <code tabIndex={0}>{line}</code>
            <Copy text={line} what={`the ${name} line`} />
          </div>
        ),
      )}
    </section>
  );
}
