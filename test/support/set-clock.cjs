// Loaded into a gateway, with --require: sets its clock ahead or back, by the milliseconds that the file CLOCK_FILE has, whenever it
// gets SIGUSR2. As when somebody sets the clock of the machine, timers and performance.now() go on.
const { readFileSync, unlinkSync } = require('node:fs');

const RealDate = Date;
let aheadMs = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + aheadMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + aheadMs;
  }

  static [Symbol.hasInstance](value) {
    return value instanceof RealDate;
  }
};

process.on('SIGUSR2', () => {
  aheadMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
  unlinkSync(process.env.CLOCK_FILE);
});
