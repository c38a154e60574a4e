/** A number with thousands apart: "1,234,567". */
export function grouped(value: string | number | bigint | undefined): string {
  return (value ?? 0).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** "1 event", "2,000 events". */
export function counted(value: string | number | bigint | undefined, noun: string): string {
  const text = grouped(value);
  return `${text} ${noun}${text === '1' ? '' : 's'}`;
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in units of 1,000: "8.39 MB". */
export function bytesText(value: string | number | undefined): string {
  let amount = Number(value ?? 0);
  let unit = 0;
  while (amount >= 1_000 && unit < units.length - 1) {
    amount /= 1_000;
    unit++;
  }
  const digits = unit === 0 ? amount.toString() : amount.toPrecision(3);
  return `${digits} ${units[unit] ?? ''}`;
}

/** A rate: "0", "0.4", "12", "1,234". */
export function rateText(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : grouped(Math.round(value));
}
