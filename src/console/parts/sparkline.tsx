import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

interface Props {
  /** Seconds since 1970, and the value at each. */
  readonly points: readonly (readonly [number, number])[];
  readonly label: string;
}

const height = 72;

/** A line over time, without axes. What it shows is also said in words beside it. */
export function Sparkline({ points, label }: Props): VNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    plot.current = new uPlot(options(element), [[], []], element);
    const observer = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const redraw = (): void => {
      plot.current?.redraw();
    };
    scheme.addEventListener('change', redraw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener('change', redraw);
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => {
    plot.current?.setData([points.map(([at]) => at), points.map(([, value]) => value)]);
  }, [points]);
  return <div class="sparkline" ref={place} role="img" aria-label={label} />;
}

function options(element: HTMLElement): uPlot.Options {
  const color = (name: string) => (): string => getComputedStyle(element).getPropertyValue(name);
  return {
    width: element.clientWidth,
    height,
    padding: [6, 0, 2, 0],
    cursor: { show: false },
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    axes: [{ show: false }, { show: false }],
    scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.15)] } },
    series: [
      {},
      { stroke: color('--accent'), fill: color('--accent-faint'), width: 1.5, points: { show: false } },
    ],
  };
}
