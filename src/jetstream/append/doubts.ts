/** Appends to which an answer of NATS was lost since the start, by what was found out. */
export class Doubts {
  stored = 0;
  notStored = 0;
  unknown = 0;
}
