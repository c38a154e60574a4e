import { execFileSync } from 'node:child_process';

/** Whether Go is installed. false, with a loud line that names what is left out, if not; with CI=true it then throws. */
export function hasGo(what: string): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.warn(`LEFT OUT: ${what}, without Go`);
    return false;
  }
}
