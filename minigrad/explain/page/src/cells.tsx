// A value as it stands in a cell: a scalar's number; an array's norm, its mean and spread, and a small picture.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Num, Stats, Summary } from "./trace";
import { Digits } from "./num";
import { cut, isArray, isBad, num, visible } from "./text";

export type Tone = "value" | "adjoint" | "tangent" | "turn"; // turn: the adjoint's tangent

// of a column: the colour of what is positive, and of what is negative; as dense as the entry is large
const INKS: Record<Tone, [number[], number[]]> = {
  value: [[62, 112, 172], [190, 146, 92]],
  adjoint: [[224, 104, 28], [58, 120, 190]],
  tangent: [[139, 92, 246], [120, 140, 30]],
  turn: [[18, 148, 136], [196, 70, 120]],
};

/** A user's text, cut to a length, with the whole of it at hand. */
export function Name({ text, limit = 32, class: kind }: { text: string; limit?: number; class?: string }) {
  const short = cut(text, limit);
  return <bdi class={kind} title={short === text ? undefined : visible(text).slice(0, 10000)}>{short}</bdi>;
}

export function Thumb({ of, tone, size = 32 }: { of: Summary; tone: Tone; size?: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const t = of.thumb!;
  useLayoutEffect(() => {
    const bytes = atob(t.gray);
    const context = canvas.current!.getContext("2d")!;
    const image = context.createImageData(t.columns, t.rows);
    const most = Math.max(Math.abs(t.low), Math.abs(t.high)) || 1;
    for (let i = 0; i < t.rows * t.columns; i++) {
      const x = (t.low + (bytes.charCodeAt(i) / 255) * (t.high - t.low)) / most;
      const ink = INKS[tone][x < 0 ? 1 : 0];
      image.data.set([ink[0], ink[1], ink[2], 255 * Math.abs(x)], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }, [t, tone]);
  const wide = t.columns >= t.rows;
  const other = (a: number, b: number) => Math.max(4, Math.round((size * a) / b));
  return (
    <canvas ref={canvas} class="thumb" width={t.columns} height={t.rows} aria-hidden="true"
      style={{ width: `${wide ? size : other(t.columns, t.rows)}px`, height: `${wide ? other(t.rows, t.columns) : size}px` }} />
  );
}

export function Spark({ of, width = 32, height = 22 }: { of: Summary; width?: number; height?: number }) {
  const { counts, low, high } = of.histogram!;
  const most = Math.max(...counts, 1);
  const bar = width / counts.length;
  const path = counts.map((c, i) => (c ? `M${(i * bar).toFixed(1)} ${height}v${(-Math.max(1, (c / most) * height)).toFixed(1)}h${bar.toFixed(2)}V${height}z` : "")).join("");
  const zero = low < 0 && high > 0 ? (-low / (high - low)) * width : null;
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={path} />
      {zero !== null && <line x1={zero} x2={zero} y1={0} y2={height} />}
    </svg>
  );
}

/** The entries of a small array, as bars up and down from zero. */
function Bars({ of, width = 32, height = 26 }: { of: unknown[]; width?: number; height?: number }) {
  const entries = of.map((x) => (typeof x === "number" ? x : 0));
  const high = Math.max(0, ...entries);
  const low = Math.min(0, ...entries);
  const y = (x: number) => ((high - x) / (high - low || 1)) * height;
  const bar = Math.min(width / entries.length, 9);
  const left = (width - bar * entries.length) / 2;
  const gap = bar > 3 ? 1 : 0;
  const path = entries.map((x, i) => `M${(left + i * bar).toFixed(1)} ${y(0).toFixed(1)}V${y(x).toFixed(1)}h${(bar - gap).toFixed(2)}V${y(0).toFixed(1)}z`).join("");
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path d={path} />
      <line x1={0} x2={width} y1={y(0)} y2={y(0)} />
    </svg>
  );
}

const entries = (of: Summary): unknown[] | null => (of.values ? (of.values as unknown[]).flat(Infinity) : null);

/** An image or a matrix by its entries, a small array by bars, another by its histogram; a scalar has no picture. */
export function Picture({ of, tone }: { of: Stats; tone: Tone }) {
  if (!isArray(of)) return null;
  if (of.thumb && of.thumb.rows > 1) return <Thumb of={of} tone={tone} />;
  const all = entries(of);
  return all && all.length <= 32 ? <Bars of={all} /> : of.histogram ? <Spark of={of} /> : null;
}

/** The sign of a NaN or an infinity. */
export const Bad = () => <span class="bad-sign" title="holds NaN or an infinity" role="img" aria-label="not finite">⚠</span>;

/** A scalar's number, or an array's norm with mean ± standard deviation below; or what is given, below. `at`: where the trace has it. */
export function Figure({ of, at, tag, children }: { of: Stats; at?: string; tag?: ComponentChildren; children?: ComponentChildren }) {
  const array = isArray(of);
  const all = array ? entries(of) : null;
  return (
    <span class="figure">
      <span class="number">{isBad(of) && <Bad />}{array && <i class="norm">‖·‖</i>}<Digits x={array ? of.norm : of} at={at && (array ? `${at}.norm` : at)} />{tag}</span>
      {children ?? (array && <span class="small">{all && all.length <= 3 ? all.map((x) => num(x as Num, 3)).join(", ") : of.nonfinite ? `${of.nonfinite} not finite` : `${num(of.mean, 2)} ± ${num(of.std, 2)}`}</span>)}
    </span>
  );
}
