/** What a route answers with. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
}

export function textAnswer(status: number, text: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

/** Something that must be in order. */
export interface Check {
  readonly name: string;
  /** What is wrong; undefined: nothing. */
  readonly problem: string | undefined;
}

/** 200 if nothing is wrong, else 503, with the result of each check as JSON. */
export function healthAnswer(checks: readonly Check[]): Answer {
  const isGood = checks.every(({ problem }) => problem === undefined);
  const results = checks.map(({ name, problem }) => ({ name, ok: problem === undefined, problem }));
  return {
    status: isGood ? 200 : 503,
    type: 'application/json',
    body: `${JSON.stringify({ ok: isGood, checks: results })}\n`,
  };
}
