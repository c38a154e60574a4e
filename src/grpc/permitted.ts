import type { Caller } from './call-scope';
import { denialOf, type Need } from './access';

declare const permitted: unique symbol;

/** What the caller has asked for and may have. Only `permit` and `permitGroup` make one. */
export type Permitted<Query> = Query & { readonly [permitted]: true };

/** The methods of an interface, which take nothing that was not permitted. */
export type TakesPermitted<Store> = {
  readonly [Method in keyof Store]: Store[Method] extends (
    query: infer Query,
    ...more: infer More
  ) => infer Result
    ? (query: Permitted<Query>, ...more: More) => Result
    : never;
};

export function pass<Query>(query: Query): Permitted<Query> {
  return query as Permitted<Query>;
}

/** For a call that may stay open: it ends once the grant is gone. Throws AccessDeniedError. */
export function hold(need: Need, caller: Caller): void {
  const denial = denialOf(need, caller.access.permissions);
  if (denial !== undefined) throw denial;
  caller.hold(need);
}
