import process from 'node:process';

const REQUIRED_MAJOR = 26;

/** Ends the process with one clear line on a Node that the engine cannot use (V8 before 14 lacks what the translator relies on). */
export function requireNode(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= REQUIRED_MAJOR) return;
  console.error(
    `Strate needs Node ${REQUIRED_MAJOR} or newer and this is ${process.versions.node}: run it through npm (npm start, npx strate), which uses the version pinned in package.json.`,
  );
  process.exit(2);
}
