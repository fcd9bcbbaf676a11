/** The product's mark: three strata, the newest lit. */
export function Mark({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" aria-hidden>
      <path d="M2 13.4c3.2-2.3 5.6-.3 8.3-.3 2.9 0 4.4-1.6 7.7-.9v3.3a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2z" fill="var(--ink)" />
      <path d="M2 8.3c3.2-2.3 5.6-.3 8.3-.3 2.9 0 4.4-1.6 7.7-.9v3.2c-3.3-.7-4.8.9-7.7.9-2.7 0-5.1-2-8.3.3z" fill="var(--ink)" opacity=".5" />
      <path d="M2 6.4V4.5a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v.7c-3.3-.7-4.8.9-7.7.9-2.7 0-5.1-2-8.3.3z" fill="var(--accent)" />
    </svg>
  );
}
