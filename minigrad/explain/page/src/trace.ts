// The trace as Python writes it: one JSON document that every renderer reads. Types only.

export type Num = number | string; // NaN and the infinities are the strings "nan", "inf", "-inf"

export interface Payload {
  traces: Trace[]; // one recording, or two to compare
  names: string[];
}

export interface Trace {
  format: "minigrad-trace";
  version: 1;
  title: string;
  order: 1 | 2;
  how: "kernels" | "compositions";
  how_text: string;
  result: number;
  nodes: Node[];
  groups: Group[];
  skipped: Skipped[];
  rules: Record<string, Rule>;
  sources: Source[];
  check: Check | null;
  memory: { kept: number };
}

export type Kind = "operation" | "parameter" | "frozen" | "input" | "constant";

export interface Node {
  id: number;
  kind: Kind;
  op: string;
  name: string;
  module: string;
  group: number | null;
  shape: number[];
  dtype: string;
  bytes: number;
  value: Stats;
  adjoint: Stats | null;
  tangent?: Stats | null;
  adjoint_tangent?: Stats | null;
  inputs?: number[];
  params?: Record<string, string>;
  line?: [number, number] | null;
  forward_ns?: number;
  backward_ns?: number | null;
  step?: number | null;
  kept?: number;
  freed?: number;
  back?: string;
  local?: (Num | null)[];
  worked?: (string | null)[];
  kinks?: { near: number; of: number; within: number } | null;
  addends?: Addend[];
}

export interface Addend {
  from: number;
  argument: number;
  value: Stats;
  sum?: Num;
  tangent?: Stats | null;
}

export type Stats = Num | Summary;

export interface Summary {
  norm: Num;
  mean: Num;
  std: Num;
  min: Num;
  max: Num;
  nonfinite: number;
  zeros: number;
  histogram?: { low: number; high: number; counts: number[] };
  values?: unknown[];
  thumb?: { rows: number; columns: number; gray: string; low: number; high: number };
}

export interface Group {
  id: number;
  parent: number | null;
  path: string;
  kind: string;
  first: number;
  last: number;
  parameters: number;
  same: number | null;
}

export interface Skipped {
  before: number;
  group: number | null;
  path: string;
  kind: string;
  p: number | null;
  text: string;
}

export interface Rule {
  kind: string;
  arguments: string[];
  up: string[];
  composition: string | null;
  doc: string;
}

export interface Source {
  file: string;
  function: string;
  first: number;
  lines: string[];
}

export interface Check {
  ok: boolean;
  summary: string;
  evaluations: number;
  seconds: number;
  rows: CheckRow[];
  suspects: Suspect[];
  curves: Curve[];
}

export interface CheckRow {
  node: number | null;
  name: string;
  order: number;
  verdict: string;
  text: string;
  complex_step: Num | null;
  central: Num | null;
  walks: Record<string, Num | null>;
  worst: { index: number[] | null; got: Num; expected: Num; error: Num; walk: string }[];
  detail: string;
  kink: { op: string; index: number[]; line: string; scope: string; count: number; node: number | null } | null;
}

export interface Suspect {
  node: number | null;
  op: string;
  input: number;
  walk: string;
  got: Num | null;
  expected: Num | null;
  text: string;
}

export interface Curve {
  node: number | null;
  name: string;
  steps: number[];
  central: Num[];
  forward: Num[];
  complex: Num[] | null;
}
