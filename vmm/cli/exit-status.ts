/** The command's exit statuses that scripts rely on (cli.md). A debug-exit value is passed through. */
export const exitStatus = {
  poweredOff: 0,
  internalError: 1,
  badUsage: 2,
  timeout: 124,
  /** 128 + SIGINT */
  interrupted: 130,
  /** 128 + SIGTERM */
  terminated: 143,
} as const;
