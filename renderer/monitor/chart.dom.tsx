import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import { number } from '../i18n/format.ts';

export interface Line {
  readonly label: string;
  readonly values: readonly number[];
  /** A custom property of tokens.css. */
  readonly color: `--${string}`;
}

export interface ChartProps {
  readonly title: string;
  readonly unit: string;
  readonly time: readonly number[];
  readonly lines: readonly Line[];
  /** Smallest top of the scale, so that noise near zero does not fill the chart. */
  readonly atLeast: number;
}

/** Custom properties as colours that a canvas understands: the browser computes them on a probe, with light-dark() resolved. */
function colorReader(element: HTMLElement): (property: string) => string {
  return (property) => {
    const probe = element.ownerDocument.createElement('span');
    probe.style.color = `var(${property})`;
    element.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}

const HEIGHT = 112;
const WINDOW_S = 120;

/** One quantity over the last two minutes. The figure above it says the present value; the picture is decoration for those who see it. */
export function Chart({ title, unit, time, lines, atLeast }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shape = lines.map((line) => line.label).join('\n');

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const color = colorReader(element);
    const options: uPlot.Options = {
      width: element.clientWidth,
      height: HEIGHT,
      padding: [6, 2, 2, 2],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: (_, __, max) => [max - WINDOW_S, max] },
        y: { range: (_, __, max) => [0, Math.max(atLeast, max * 1.15)] },
      },
      axes: [
        { show: false },
        {
          size: 44,
          stroke: color('--ink-3'),
          font: '11px "IBM Plex Sans Variable", sans-serif',
          grid: { stroke: color('--line'), width: 1 },
          ticks: { show: false },
          values: (_, splits) => splits.map((value) => number(value, value < 10 ? 1 : 0)),
          splits: (_, __, min, max) => [min, max / 2, max],
        },
      ],
      series: [
        {},
        ...lines.map((line, at) => ({
          label: line.label,
          stroke: color(line.color),
          width: 1.5,
          points: { show: false },
          ...(at === 0 ? { fill: `color-mix(in oklab, ${color(line.color)} 14%, transparent)` } : { dash: [4, 3] }),
        })),
      ],
    };
    const made = new uPlot(options, [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData, element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, atLeast]);

  useEffect(() => {
    plot.current?.setData([time, ...lines.map((line) => line.values)] as unknown as uPlot.AlignedData);
  }, [time, lines]);

  return (
    <figure className="chart">
      <figcaption>
        <span className="chart-title">{title}</span>
        {lines.map((line, at) => {
          const last = line.values.at(-1);
          return (
            <span key={line.label} className="chart-now numeric">
              {lines.length > 1 && (
                <>
                  <span className="chart-key" data-dashed={at > 0 ? '' : undefined} style={{ color: `var(${line.color})` }} /> {line.label}{' '}
                </>
              )}
              <b>{last === undefined ? '–' : number(last, last < 10 ? 1 : 0)}</b> {unit}
            </span>
          );
        })}
      </figcaption>
      <div ref={place} className="chart-plot" aria-hidden />
    </figure>
  );
}
