// The whole tape at one glance: how large values and adjoints are, from the first operation to the last, on a logarithmic
// scale. Where the orange line falls towards the left, gradients vanish; where it climbs, they explode.

import Panzoom from "@panzoom/panzoom";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { adjointAt, type Model } from "./model";
import * as store from "./store";
import { useStore } from "./store";
import { isArray, visible } from "./text";
import type { Node, Stats } from "./trace";

const [W, H] = [1000, 96];

/** Decimal logarithm of the root mean square; null of zero and of what is not finite. */
function size(s: Stats | null | undefined, n: Node): number | null {
  const norm = isArray(s) ? s.norm : s;
  if (typeof norm !== "number" || norm === 0) return null;
  return Math.log10(Math.abs(norm) / Math.sqrt(n.shape.reduce((a, b) => a * b, 1)));
}

function line(ys: (number | null)[], x: (i: number) => number, y: (v: number) => number): string {
  let path = "";
  let pen = false;
  ys.forEach((v, i) => {
    if (v !== null) path += `${pen ? "L" : "M"}${x(i).toFixed(2)} ${y(v).toFixed(1)}${pen || (ys[i + 1] ?? null) !== null ? "" : "h.01"}`;
    pen = v !== null;
  });
  return path;
}

export function Overview() {
  const m = useStore((s) => s.models[s.current]);
  const step = useStore((s) => s.step);
  const selected = useStore((s) => s.selected);
  const box = useRef<SVGSVGElement>(null);
  const pressed = useRef(0); // where the pointer went down: a click, or a drag
  const plane = useRef<SVGGElement>(null);
  const chart = useMemo(() => measure(m), [m]);
  const { ops, values, adjoints, x, y, low, high } = chart;
  useLayoutEffect(() => {
    const zoom = Panzoom(plane.current!, {
      maxScale: Math.max(4, ops.length / 20), minScale: 1, contain: "outside", cursor: "", step: 0.4, handleStartEvent: (e: Event) => { e.preventDefault(); pressed.current = (e as PointerEvent).clientX; }, touchAction: "pan-y",
      setTransform: (el: HTMLElement | SVGElement, { x, scale }: { x: number; scale: number }) => { el.style.transform = `scaleX(${scale}) translateX(${(x * W) / box.current!.clientWidth}px)`; },
    } as any);
    const parent = box.current!;
    const wheel = (e: WheelEvent) => (e.ctrlKey || e.shiftKey || Math.abs(e.deltaX) < Math.abs(e.deltaY)) && zoom.zoomWithWheel(e);
    parent.addEventListener("wheel", wheel, { passive: false });
    return () => {
      parent.removeEventListener("wheel", wheel);
      zoom.destroy();
    };
  }, [m]);
  const back = useMemo(() => adjoints.map((v, i) => (adjointAt(m, ops[i], step).state === "done" ? v : null)), [chart, step]);
  const go = (e: MouseEvent) => {
    if (Math.abs(e.clientX - pressed.current) > 4) return;
    const r = plane.current!.querySelector(".plane")!.getBoundingClientRect();
    const i = Math.round(((e.clientX - r.left) / r.width) * ops.length - 0.5);
    store.select(ops[Math.max(0, Math.min(ops.length - 1, i))]);
  };
  const at = selected === null ? -1 : ops.indexOf(m.home[selected]);
  return (
    <figure class="overview">
      <svg ref={box} viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={`Size of values and adjoints along the tape, from 10 to the power ${low} to 10 to the power ${high}`} onClick={go}>
        <g ref={plane}>
          <rect class="plane" width={W} height={H} />
          {chart.bands.map((b, i) => <rect key={i} class={`band${i % 2 ? " odd" : ""}`} x={b.x} width={b.width} height={H}><title>{b.name}</title></rect>)}
          {at >= 0 && <line class="at" x1={x(at)} x2={x(at)} y1={0} y2={H} />}
          <path class="value" d={line(values, x, y)} />
          <path class="adjoint" d={line(back, x, y)} />
        </g>
      </svg>
      <figcaption>
        <span>10<sup>{high}</sup></span>
        <span class="legend"><i class="value" />value<br /><i class="adjoint" />adjoint<br />root mean square</span>
        <span>10<sup>{low}</sup></span>
      </figcaption>
    </figure>
  );
}

function measure(m: Model) {
  const { nodes, groups } = m.trace;
  const ops = nodes.filter((n) => n.kind === "operation").map((n) => n.id);
  const values = ops.map((id) => size(nodes[id].value, nodes[id]));
  const adjoints = ops.map((id) => size(nodes[id].adjoint, nodes[id]));
  let [least, most] = [Infinity, -Infinity];
  for (const v of [...values, ...adjoints]) if (v !== null) [least, most] = [Math.min(least, v), Math.max(most, v)];
  const low = Number.isFinite(least) ? Math.floor(least) : -1;
  const high = Number.isFinite(most) ? Math.max(Math.ceil(most), low + 1) : 0;
  const x = (i: number) => ((i + 0.5) * W) / ops.length;
  const y = (v: number) => 4 + ((high - v) / (high - low)) * (H - 8);
  const place = new Map(ops.map((id, i) => [id, i]));
  // the outermost modules; those inside the one that holds nearly all
  let of: number | null = null;
  for (;;) {
    const inner: number[] = groups.filter((g) => g.parent === of && m.ops[g.id]).map((g) => g.id);
    if (inner.length !== 1 || m.alone[inner[0]]) break;
    of = inner[0];
  }
  const bands = groups.filter((g) => g.parent === of && m.ops[g.id]).map((g) => {
    let first = g.first;
    while (!place.has(first)) first++;
    const from = place.get(first)!;
    return { name: visible(g.path).slice(0, 80), x: (from * W) / ops.length, width: (m.ops[g.id] * W) / ops.length };
  });
  return { ops, values, adjoints, x, y, low, high, bands };
}
