// A number of the trace as the page shows it: rounded in the text, exact in its title. `at` says where in the trace it
// stands ("nodes.3.adjoint"), `trace` in which of two, so that a test can hold every number against the trace.

import { exact, isArray, num } from "./format";
import type { Num, Stats } from "./trace";

export function Digits({ x, at, trace, digits }: { x: Num | null | undefined; at?: string; trace?: number; digits?: number }) {
  if (x === null || x === undefined) return <span class="num none" role="img" aria-label="none">–</span>;
  return <span class={typeof x === "number" ? "num" : "num bad"} title={exact(x)} data-value={exact(x)} data-at={at} data-trace={trace}>{num(x, digits)}</span>;
}

/** A scalar's number, or an array's norm. */
export function Magnitude({ of, at, trace }: { of: Stats | null | undefined; at?: string; trace?: number }) {
  if (!isArray(of)) return <Digits x={of as Num | null | undefined} at={at} trace={trace} />;
  return (
    <span class="magnitude"><i class="norm" title="Euclidean norm">‖·‖</i> <Digits x={of.norm} at={at && `${at}.norm`} trace={trace} /></span>
  );
}
