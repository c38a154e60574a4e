import {
  eventsTag,
  fieldEnd,
  lengthDelimited,
  MalformedRecordError,
  readVarint,
  streamTag,
  versionTag,
} from './commit-record';
import { utf8 } from './utf8';

const positionTag = 12 << 3;
const commitTimeTag = (13 << 3) | lengthDelimited;
const secondsTag = 1 << 3;
const nanosTag = 2 << 3;

/**
 * Iterates over events as they are sent, each with its position and commit time, without an object for each: consumer groups
 * look at every event that they deliver. Versions and positions are exact up to 2^53.
 */
export class PlacedEvents {
  /** Where the current event begins with its tag and length, where its own bytes begin, and where it ends. */
  frame = 0;
  start = 0;
  end = 0;
  version = 0;
  position = 0;
  /** The commit time: whole seconds since 1970, and nanoseconds. */
  seconds = 0;
  nanos = 0;
  private streamStart = 0;
  private streamEnd = 0;
  /** Where the next varint begins. */
  private at = 0;

  constructor(readonly bytes: Uint8Array) {}

  /** Moves to the next event; false: it was the last one. Throws MalformedRecordError. */
  next(): boolean {
    const { bytes, end: frame } = this;
    if (frame >= bytes.length) return false;
    if (bytes[frame] !== eventsTag) throw new MalformedRecordError(`no event at byte ${frame.toString()}`);
    this.at = frame + 1;
    const length = this.varint();
    this.frame = frame;
    this.start = this.at;
    this.end = this.at + length;
    if (this.end > bytes.length) this.cutOff();
    this.readFields();
    return true;
  }

  get stream(): string {
    return utf8(this.bytes, this.streamStart, this.streamEnd);
  }

  /** Whether it is of this stream, whose name is ASCII. */
  isOf(stream: string): boolean {
    const { bytes, streamStart, streamEnd } = this;
    if (streamEnd - streamStart !== stream.length) return false;
    for (let i = 0; i < stream.length; i++) if (bytes[streamStart + i] !== stream.charCodeAt(i)) return false;
    return true;
  }

  private readFields(): void {
    const { bytes, end } = this;
    this.version = this.position = this.seconds = this.nanos = 0;
    this.streamStart = this.streamEnd = this.start;
    while (this.at < end) {
      const tag = bytes[this.at] as number;
      const length = bytes[this.at + 1] as number;
      if (tag < 0x80 && (tag & 7) === lengthDelimited && length < 0x80 && tag !== commitTimeTag) {
        // Nearly every field is like this.
        this.at += 2 + length;
        if (tag !== streamTag) continue;
        this.streamStart = this.at - length;
        this.streamEnd = this.at;
      } else this.readField();
    }
    if (this.at > end) this.cutOff();
  }

  private readField(): void {
    const tag = this.varint();
    switch (tag) {
      case versionTag:
        this.version = this.varint();
        return;
      case positionTag:
        this.position = this.varint();
        return;
      case streamTag:
        this.streamEnd = this.endOf(tag);
        this.streamStart = readVarint(this.bytes, this.at).next;
        this.at = this.streamEnd;
        return;
      case commitTimeTag:
        this.readTime(this.endOf(tag));
        return;
      default:
        this.at = this.endOf(tag);
    }
  }

  private readTime(end: number): void {
    this.varint();
    this.seconds = this.nanos = 0;
    while (this.at < end) {
      const tag = this.varint();
      if (tag === secondsTag) this.seconds = this.varint();
      else if (tag === nanosTag) this.nanos = this.varint();
      else this.at = this.endOf(tag);
    }
  }

  private endOf(tag: number): number {
    return fieldEnd(this.bytes, this.at, this.end, tag);
  }

  /** `readVarint` without an object. */
  private varint(): number {
    const { bytes } = this;
    let at = this.at;
    let value = 0;
    let scale = 1;
    for (const last = at + 10; at < last; at++) {
      const byte = bytes[at];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.at = at + 1;
        return value;
      }
      scale *= 128;
    }
    throw new MalformedRecordError(`bad number at byte ${this.at.toString()}`);
  }

  private cutOff(): never {
    throw new MalformedRecordError(`the event at byte ${this.start.toString()} is cut off`);
  }
}
