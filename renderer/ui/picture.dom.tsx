import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** Fetches a picture, as the protocol's methods give them: base64 of a PNG, or null where there is none. */
export type PictureSource = () => Promise<{ readonly png: string | null }>;

const decode = (png: string) =>
  createImageBitmap(new Blob([Uint8Array.from(atob(png), (character) => character.charCodeAt(0))], { type: 'image/png' }));

/**
 * A picture that came through the protocol, or `fallback` while there is none. It is decoded here and drawn: nothing has an address that could be gone before the
 * browser gets to it (an object URL does), and the page's policy need not let images be anything but its own files. While a new source loads, the last picture stays.
 * Memoise `source`: a new one means a new picture.
 */
export function Picture({ source, fallback }: { readonly source: PictureSource | undefined; readonly fallback: ReactNode }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [bitmap, setBitmap] = useState<ImageBitmap>();
  useEffect(() => {
    const wait = new AbortController();
    void (async () => {
      const { png } = (await source?.()) ?? { png: null };
      const next = png === null ? undefined : await decode(png);
      if (wait.signal.aborted) next?.close();
      else setBitmap(next);
    })().catch(() => undefined); // a missing picture is no news
    return () => wait.abort();
  }, [source]);
  useLayoutEffect(() => {
    if (bitmap === undefined || canvas.current === null) return;
    canvas.current.width = bitmap.width;
    canvas.current.height = bitmap.height;
    canvas.current.getContext('2d')?.drawImage(bitmap, 0, 0);
  }, [bitmap]);
  return bitmap === undefined ? fallback : <canvas ref={canvas} />;
}
