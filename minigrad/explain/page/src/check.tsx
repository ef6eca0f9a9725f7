// The gradient check in the picture: a badge per parameter, suspect operations, and the error against the step size.
// The verdicts are the check's own; nothing is judged here.

import { useEffect, useRef } from "preact/hooks";
import { cut, exact, num, plural, real, visible } from "./format";
import type { Model } from "./model";
import { Digits } from "./num";
import { get, model, reveal, set, useStore } from "./store";
import type { CheckRow, Curve, Num, Suspect } from "./trace";

/** From the mildest to the gravest: sign, class and what it says. */
const VERDICTS: Record<string, [glyph: string, tone: string, says: string]> = {
  vacuous: ["○", "mute", "the derivative is zero, so nothing was put to the test"],
  exact: ["✓", "good", "the gradient agrees with the complex step to the last digits"],
  "within round-off": ["≈", "good", "the gradient agrees as closely as differences can tell"],
  kink: ["∠", "warn", "a kink is near: differences straddle it, the gradient takes one side"],
  unexplained: ["?", "warn", "the gradient disagrees with the evidence, and no cause was found"],
  "not deterministic": ["⚡", "bad", "two evaluations at one point differ"],
  WRONG: ["✗", "bad", "the gradient is wrong"],
};
const ORDER = Object.keys(VERDICTS);
const verdict = (name: string) => VERDICTS[name] ?? ["?", "warn", visible(name)];

/** The check's rows on a node, the gravest first. */
export function rowsOf(m: Model, node: number): CheckRow[] {
  const rows = (m.trace.check?.rows ?? []).filter((r) => r.node === node);
  return rows.sort((a, b) => ORDER.indexOf(b.verdict) - ORDER.indexOf(a.verdict));
}

export const suspectsOf = (m: Model, node: number): Suspect[] => (m.trace.check?.suspects ?? []).filter((s) => s.node === node);

const error = (row: CheckRow): Num | null => row.complex_step ?? row.central ?? Object.values(row.walks).find((x) => x !== null) ?? null;

/** A parameter's verdict: its sign; in full also the word and the error. A click opens its curve. */
export function CheckBadge({ node, full, of }: { node: number; full?: boolean; of?: Model }) {
  const shown = useStore(model);
  const row = rowsOf(of ?? shown, node)[0];
  if (!row) return null;
  const [glyph, tone, says] = verdict(row.verdict);
  const e = error(row);
  const said = `${visible(row.verdict)}${e === null ? "" : ` ${num(e, 2)}`}`; // verdict and relative error
  return (
    <button
      type="button" class={`badge ${tone}${full ? "" : " compact"}`} title={`${said}: ${says}`} aria-haspopup="dialog" tabIndex={full ? 0 : -1}
      aria-label={`${said}, gradient check of ${cut(row.name)}: ${says}`}
      onClick={(event) => {
        event.stopPropagation();
        set({ curve: node });
      }}
    >
      <span class="glyph" aria-hidden="true">{glyph}</span>
      {full && <> <span>{visible(row.verdict)}</span></>}
      {full && e !== null && <> <span class="error">{num(e, 2)}</span></>}
    </button>
  );
}

/** Got and expected, side by side. */
export function Disagreement({ got, expected, at }: { got: Num | null; expected: Num | null; at: string }) {
  return (
    <span class="disagree">
      got <b class="got"><Digits x={got} at={`${at}.got`} /></b> expected <b class="expected"><Digits x={expected} at={`${at}.expected`} /></b>
    </span>
  );
}

/** Suspect operations: what the rule gave, and what it should have given. */
export function Suspects({ of, go = reveal }: { of: Suspect[]; go?: (node: number) => void }) {
  const m = useStore(model);
  if (!of.length) return null;
  return (
    <ul class="suspects">
      {of.map((s) => {
        const node = s.node === null ? null : m.trace.nodes[s.node];
        const argument = m.trace.rules[s.op]?.arguments[s.input];
        return (
          <li key={`${s.node}-${s.input}-${s.walk}`}>
            <span class="glyph" aria-hidden="true">✗</span>
            {node ? <button type="button" class="link" onClick={() => go(node.id)}>{cut(node.name ? `${s.op} → ${node.name}` : s.op)}</button> : <b>{cut(s.op)}</b>}
            <span class="where"> is suspect{argument ? ` in its derivative for ${argument}` : ""}, {s.walk}</span>
            <Disagreement got={s.got} expected={s.expected} at={`check.suspects.${m.trace.check!.suspects.indexOf(s)}`} />
            <p>{visible(s.text)}</p>
          </li>
        );
      })}
    </ul>
  );
}

/** What the check says of one node, in the inspector. */
export function CheckCard({ m, node }: { m: Model; node: number }) {
  const rows = rowsOf(m, node);
  const suspects = suspectsOf(m, node);
  if (!rows.length && !suspects.length) return null;
  const all = m.trace.check!.rows;
  return (
    <section class="card checked">
      <h3>Gradient check {rows.length > 0 && <CheckBadge node={node} of={m} full />}</h3>
      <Suspects of={suspects} />
      {rows.map((row) => <Row key={`${row.order}`} row={row} at={`check.rows.${all.indexOf(row)}`} several={rows.length > 1} />)}
    </section>
  );
}

function Row({ row, at, several }: { row: CheckRow; at: string; several: boolean }) {
  const [glyph, tone, says] = verdict(row.verdict);
  return (
    <div class="checkrow">
      <p>
        {several && <span class={`glyph ${tone}`}>{glyph} order {row.order}: </span>}
        {row.text && row.text !== row.verdict ? visible(row.text) : says}.
      </p>
      <dl class="facts">
        {row.complex_step !== null && <><dt>complex step</dt><dd><Digits x={row.complex_step} at={`${at}.complex_step`} digits={2} /></dd></>}
        {row.central !== null && <><dt>central difference</dt><dd><Digits x={row.central} at={`${at}.central`} digits={2} /></dd></>}
        {Object.entries(row.walks).map(([walk, x]) => <><dt>{visible(walk)} walk</dt><dd><Digits x={x} at={`${at}.walks.${walk}`} digits={2} /></dd></>)}
      </dl>
      {row.kink?.node != null && (
        <p>the kink: <button type="button" class="link" onClick={() => reveal(row.kink!.node!)}>{cut(`${row.kink.op}[${row.kink.index.join(", ")}]`)}</button> {visible(row.kink.line)}</p>
      )}
      {row.worst.length > 0 && (
        <table class="values">
          <caption>Worst entries</caption>
          <thead><tr><th scope="col">entry</th><th scope="col">got</th><th scope="col">expected</th><th scope="col">error</th></tr></thead>
          <tbody>
            {row.worst.map((w, i) => (
              <tr key={i}>
                <th scope="row">{w.index?.length ? `[${w.index.join(", ")}]` : "all"}</th>
                <td class="got"><Digits x={w.got} at={`${at}.worst.${i}.got`} /></td>
                <td><Digits x={w.expected} at={`${at}.worst.${i}.expected`} /></td>
                <td><Digits x={w.error} at={`${at}.worst.${i}.error`} digits={2} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {row.detail && <p class="detail">{visible(row.detail)}</p>}
    </div>
  );
}

/** The whole check: its verdict, what is suspect, and every parameter's badge. */
function Whole({ m }: { m: Model }) {
  const check = m.trace.check!;
  const names = new Map<number | null, string>();
  for (const row of check.rows) if (row.node !== null) names.set(row.node, row.name);
  const go = (node: number): void => {
    set({ curve: null });
    reveal(node);
  };
  return (
    <>
      <p class={check.ok ? "good" : "bad"}><span aria-hidden="true">{check.ok ? "✓" : "✗"}</span> {visible(check.summary)}</p>
      <Suspects of={check.suspects} go={go} />
      <table class="checks">
        <thead><tr><th scope="col">parameter</th><th scope="col">verdict, and its error against the step size</th></tr></thead>
        <tbody>
          {[...names].map(([node, name]) => (
            <tr key={node}>
              <th scope="row"><button type="button" class="link" onClick={() => go(node!)}>{cut(name, 40)}</button></th>
              <td><CheckBadge node={node!} of={m} full /></td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="small">{plural(check.evaluations, "evaluation")} in {num(check.seconds, 2)} s</p>
    </>
  );
}

/** What a badge opens: one parameter's check with its curve, or the whole of it. */
export function CheckDialog() {
  const m = useStore(model);
  const node = useStore((s) => s.curve);
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = box.current!;
    if (node !== null && !dialog.open) dialog.showModal();
    if (node === null && dialog.open) dialog.close();
  }, [node]);
  const { check } = m.trace;
  const row = typeof node === "number" ? rowsOf(m, node)[0] : undefined;
  const i = check?.curves.findIndex((c) => c.node === node) ?? -1;
  return (
    <dialog ref={box} class="curve" aria-labelledby="curve-title" onClose={() => get().curve !== null && set({ curve: null })}
      onClick={(event) => event.target === box.current && set({ curve: null })}>
      {node !== null && check && (
        <div>
          <header>
            <h2 id="curve-title">{row ? cut(row.name) : "Gradient check"}</h2>
            <button type="button" class="close" aria-label="Close" onClick={() => set({ curve: null })}>×</button>
          </header>
          {row && (i >= 0 ? <CheckCurve curve={check.curves[i]} at={`check.curves.${i}`} /> : <p class="hint">Its error was not measured over step sizes.</p>)}
          {row ? <CheckCard m={m} node={node as number} /> : <Whole m={m} />}
          {row && <p><button type="button" class="link" onClick={() => set({ curve: "all" })}>the check of all parameters</button></p>}
        </div>
      )}
    </dialog>
  );
}

const WIDE = 460, HIGH = 300, LEFT = 52, RIGHT = 16, TOP = 30, BOTTOM = 44;

/** Relative error against the step size, both axes logarithmic: truncation on one side, round-off on the other. */
export function CheckCurve({ curve, at }: { curve: Curve; at: string }) {
  const h = curve.steps;
  const floor = -17; // an error of zero is drawn here
  const log = (x: Num): number | null => {
    const v = Math.abs(real(x));
    return v === 0 ? floor : Number.isFinite(v) ? Math.max(floor, Math.log10(v)) : null;
  };
  const xs = h.map((s) => Math.log10(s));
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const errors = [...curve.central, ...curve.forward, ...(curve.complex ?? [])].map(log).filter((e): e is number => e !== null);
  const [bottom, top] = [Math.floor(Math.min(-16, ...errors)), Math.ceil(Math.max(0, ...errors))];
  const px = (x: number): number => LEFT + ((x - low) / (high - low || 1)) * (WIDE - LEFT - RIGHT);
  const py = (y: number): number => TOP + ((top - y) / (top - bottom || 1)) * (HIGH - TOP - BOTTOM);
  const points = (series: Num[]) => series.map((e, i) => [xs[i], log(e)] as const).filter((p): p is readonly [number, number] => p[1] !== null).sort((a, b) => a[0] - b[0]);
  const path = (series: Num[]): string => points(series).map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
  const best = (series: Num[]): readonly [number, number] => points(series).reduce((a, b) => (b[1] < a[1] ? b : a), [0, Infinity] as readonly [number, number]);
  const ticks = (from: number, to: number, most: number): number[] => {
    const by = Math.max(1, Math.ceil((to - from) / most));
    const out = [];
    for (let t = Math.ceil(from / by) * by; t <= to + 1e-9; t += by) out.push(t);
    return out;
  };
  const central = best(curve.central), forward = best(curve.forward);
  const series = [
    { key: "central", name: "central difference", at: central, values: curve.central },
    { key: "forward", name: "one-sided difference", at: forward, values: curve.forward },
    ...(curve.complex ? [{ key: "complex", name: "complex step", at: best(curve.complex), values: curve.complex }] : []),
  ] as const;
  const power = (t: number) => <>10<tspan dy="-5" font-size="9">{num(t)}</tspan></>;
  const says = series.map((s) => `${s.name}: smallest error ${num(10 ** s.at[1], 2)} at step size ${num(10 ** s.at[0], 2)}`).join("; ");
  // labels stand at the lines: central below its left arm, one-sided inside its V, the complex step above its floor
  const rightArm = points(curve.forward).find(([x, y]) => x > forward[0] && y > forward[1] + (top - forward[1]) * 0.7) ?? forward;
  const flat = curve.complex ? points(curve.complex) : [];
  const flatHigh = flat.slice(0, Math.ceil(flat.length / 3)).reduce((a, [, y]) => Math.max(a, y), bottom);
  return (
    <figure class="errors">
      <figcaption>Relative error of the derivative along one direction, against the step size. Small steps drown in round-off, large ones in truncation; the complex step subtracts nothing, so no step is too small for it.</figcaption>
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={`Error against step size. ${says}.`}>
        {ticks(bottom, top, 8).map((t) => (
          <g key={`y${t}`} class="tick">
            <line x1={LEFT} x2={WIDE - RIGHT} y1={py(t)} y2={py(t)} />
            <text x={LEFT - 8} y={py(t) + 4} text-anchor="end">{power(t)}</text>
          </g>
        ))}
        {ticks(low, high, 8).map((t) => (
          <g key={`x${t}`} class="tick">
            <line x1={px(t)} x2={px(t)} y1={HIGH - BOTTOM} y2={HIGH - BOTTOM + 4} />
            <text x={px(t)} y={HIGH - BOTTOM + 19} text-anchor="middle">{power(t)}</text>
          </g>
        ))}
        <text class="axis" x={LEFT} y={14}>relative error</text>
        <text class="axis" x={WIDE - RIGHT} y={HIGH - 6} text-anchor="end">step size h</text>
        {series.map((s) => <path key={s.key} class={`series ${s.key}`} d={path(s.values)} />)}
        {series.map((s) => points(s.values).map(([x, y]) => <circle key={`${s.key}${x}`} class={`series ${s.key}`} cx={px(x)} cy={py(y)} r="2" />))}
        <text class="label central" x={Math.max(LEFT + 120, px(central[0]) - 10)} y={py(central[1]) + 16} text-anchor="end">central difference</text>
        <text class="label forward" x={px(rightArm[0]) - 10} y={py(rightArm[1]) + 4} text-anchor="end">one-sided</text>
        {flat.length > 0 && <text class="label complex" x={LEFT + 4} y={py(flatHigh) - 7}>complex step</text>}
      </svg>
      <details>
        <summary>As a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label="Errors by step size">
          <table class="values">
            <thead><tr><th scope="col">h</th>{series.map((s) => <th key={s.key} scope="col">{s.name}</th>)}</tr></thead>
            <tbody>
              {h.map((step, i) => (
                <tr key={i}>
                  <th scope="row" title={exact(step)}>{num(step, 2)}</th>
                  {series.map((s) => <td key={s.key}><Digits x={s.values[i]} at={`${at}.${s.key}.${i}`} digits={2} /></td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
