import { InvalidRequestError, type FieldViolation } from '../store/errors';

const violationsMax = 32;

/** Notes what is wrong with a request, up to a bound. */
export class Findings {
  private readonly violations: FieldViolation[] = [];
  private list = '';
  private index: number | undefined;

  /**
   * From here on, fields belong to an element of a list, or to a message within the request; the empty field is that itself. "": to
   * the request.
   */
  enter(list: string, index?: number): void {
    this.list = list;
    this.index = index;
  }

  add(field: string, description: string): void {
    if (!this.full) this.violations.push({ field: this.pathOf(field), description });
  }

  private pathOf(field: string): string {
    if (this.list === '') return field;
    const element = this.index === undefined ? this.list : `${this.list}[${this.index}]`;
    return field === '' ? element : `${element}.${field}`;
  }

  /** Nothing more will be noted, so the rest of the request need not be checked. */
  get full(): boolean {
    return this.violations.length >= violationsMax;
  }

  /** Throws InvalidRequestError. */
  throwIfAny(): void {
    if (this.violations.length > 0) throw new InvalidRequestError(this.violations);
  }
}

/** "has 70 bytes, more than the limit of 64" */
export function excess(found: number, unit: string, limit: number): string {
  return `has ${found} ${unit}, more than the limit of ${limit}`;
}

const shownCharsMax = 60;

/** The text for a message: quoted, control characters and half characters escaped, and cut if it is long. */
export function shown(text: string): string {
  return JSON.stringify(text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text);
}
