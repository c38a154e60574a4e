/** Characters that show nothing, or change how the text around them is shown: controls, and marks of direction and of width. */
const unseen =
  // eslint-disable-next-line no-control-regex -- it is what this looks for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Text of others in one line, as `sluice` prints it: what cannot be seen is escaped as in JSON. */
export function shown(text: string): string {
  return text.replace(unseen, escaped);
}

/** The same with line ends and tabs as they are. */
export function shownLines(text: string): string {
  return text.replace(unseen, (character) => (/[\n\t]/.test(character) ? character : escaped(character)));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The beginning of a text: at most `length` characters, never half of one. */
export function beginning(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, length);
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}
