/** Requests of one route that ended with one status. */
export interface HttpCount {
  /** `other`: a path without a route. */
  readonly route: string;
  readonly code: number;
  readonly count: number;
}

/** The requests since the start. There are few routes and statuses, so there are few counts. */
export class HttpCounts {
  private readonly counts = new Map<string, HttpCount>();

  note(route: string, code: number): void {
    const key = `${route} ${code.toString()}`;
    const { count } = this.counts.get(key) ?? { count: 0 };
    this.counts.set(key, { route, code, count: count + 1 });
  }

  all(): readonly HttpCount[] {
    return [...this.counts.values()];
  }
}
