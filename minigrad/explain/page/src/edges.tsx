// The gutter: lines from a row to those that use its value. Short ones are straight, long ones go round in lanes.

import { HEIGHT, type Links, type Model, type Rows } from "./model";

const CHIP = 15; // half the height of a row's sign
const LANE = 9;

export const gutter = (links: Links, narrow: boolean): number => (narrow ? 6 : 14) + (links.lanes ? 8 + links.lanes * LANE : 0);

interface Props {
  m: Model;
  rows: Rows;
  links: Links;
  width: number; // of the gutter
  from: number; // rows in view
  to: number;
  lit: number; // row whose edges are drawn strong, or -1
  step: number | null; // the operation that was walked back last
}

/** Where a row's sign stands: in its middle, or in the first line of a narrow one. */
export const centre = (rows: Rows, i: number): number => rows.list[i].top + (rows.narrow ? Math.min(HEIGHT.op, rows.list[i].height) : rows.list[i].height) / 2;

export function Edges({ m, rows, links, width, from, to, lit, step }: Props) {
  const { list } = rows;
  const top = list[from].top;
  const height = list[to].top + list[to].height - top;
  const y = (i: number) => centre(rows, i) - top;
  const x = width + CHIP;
  const lane = (l: number) => width - 8 - l * LANE;
  const line = (a: number, b: number) => `M${x} ${y(a) + CHIP}V${y(b) - CHIP - 1}`;
  // out of the sign of a, down a lane, into the sign of b
  const arc = (a: number, b: number, l: number) => {
    const u = lane(l);
    return `M${width} ${y(a) + 6}Q${u} ${y(a) + 6} ${u} ${y(a) + 16}V${y(b) - 16}Q${u} ${y(b) - 6} ${width - 1} ${y(b) - 6}`;
  };
  const head = (b: number) => `M${x - 3} ${y(b) - CHIP - 5}l3 4l3 -4`;
  const side = (b: number) => `M${width - 5} ${y(b) - 9}l4 3l-4 3`;

  let plain = "";
  let heads = "";
  let strong = "";
  let stubs = "";
  for (let i = from; i <= Math.min(to + 1, list.length - 1); i++) {
    const a = links.straight[i];
    if (a < 0) continue;
    if (a === lit || i === lit) strong += line(a, i) + head(i);
    else {
      plain += line(a, i);
      heads += head(i);
    }
  }
  for (const l of links.links) {
    if (l.from > to) break;
    const last = l.to[l.to.length - 1];
    if (last < from) continue;
    if (l.lane < 0) {
      if (l.from >= from) stubs += `M${width} ${y(l.from) + 6}h-6`;
      for (const b of l.to) {
        if (b >= from && b <= to) stubs += `M${width - 7} ${y(b) - 6}h6`;
        if (lit === l.from || lit === b) strong += arc(l.from, b, -0.35) + side(b);
      }
      continue;
    }
    for (const b of l.to) {
      if (b < from) continue;
      const text = arc(l.from, b, l.lane);
      if (l.from === lit || b === lit) strong += text + side(b);
      else {
        plain += text;
        if (b <= to) heads += side(b);
      }
      if (b > to) break;
    }
  }
  let back = "";
  if (step !== null) {
    const s = links.row[step];
    const sent = new Set<number>();
    for (const id of m.trace.nodes[step].inputs ?? []) {
      const n = m.trace.nodes[id];
      if (n.kind === "operation" && n.addends?.some((a) => a.from === step)) sent.add(links.row[id]);
    }
    for (const a of sent) {
      if (a < 0 || a === s || a > to || s < from) continue;
      if (links.straight[s] === a) back += `M${x} ${y(s) - CHIP}V${y(a) + CHIP + 2}M${x - 4} ${y(a) + CHIP + 7}l4 -5l4 5`;
      else {
        const l = links.links.find((k) => k.from === a);
        const u = lane(Math.max(l?.lane ?? 0, -0.35));
        back += `M${width} ${y(s) - 6}Q${u} ${y(s) - 6} ${u} ${y(s) - 16}V${y(a) + 16}Q${u} ${y(a) + 6} ${width - 2} ${y(a) + 6}M${width - 7} ${y(a) + 2}l5 4l-5 4`;
      }
    }
  }
  return (
    <svg class="edges" style={{ top: `${top}px` }} width={width + 2 * CHIP} height={height} aria-hidden="true">
      <path class="stub" d={stubs} />
      <path d={plain} />
      <path class="heads" d={heads} />
      <path class="strong" d={strong} />
      <path class="back" d={back} />
    </svg>
  );
}
