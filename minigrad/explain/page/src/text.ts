// How numbers, shapes and names are written on the page. Pure functions of text.

import type { Node, Num, Stats, Summary } from "./trace";

const MINUS = "\u2212";

/**
 * A number with four significant digits; NaN and the infinities by their signs. Zeros at the end are cut only where the
 * text is then exact: 0.5 is "0.5", and 0.50001 is "0.5000".
 */
export function num(x: Num | null | undefined, digits = 4): string {
  if (x === null || x === undefined) return "–";
  if (typeof x === "string") return x === "nan" ? "NaN" : x === "inf" ? "∞" : x === "-inf" ? MINUS + "∞" : x;
  if (x === 0) return Object.is(x, -0) ? MINUS + "0" : "0";
  const size = Math.abs(x);
  const whole = Number.isInteger(x) || size >= 10 ** digits;
  const plain = size < 1e6 && whole ? size.toFixed(0) : size < 1e6 && size >= 1e-4 ? size.toPrecision(digits) : size.toExponential(digits - 1);
  const [mantissa, power] = plain.split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  const tail = power === undefined ? "" : `e${power.replace("+", "")}`;
  const text = (Number(short + tail) === size ? short : mantissa) + tail.replace("-", MINUS);
  return x < 0 ? MINUS + text : text;
}

export const isScalar = (s: Stats | null | undefined): s is Num => typeof s === "number" || typeof s === "string";
export const isArray = (s: Stats | null | undefined): s is Summary => typeof s === "object" && s !== null;

/** Whether a value holds a NaN or an infinity. */
export const isBad = (s: Stats | null | undefined): boolean =>
  typeof s === "string" || (typeof s === "number" && !Number.isFinite(s)) || (isArray(s) && s.nonfinite > 0);

/** A scalar's number, an array's norm. */
export const stats = (s: Stats | null | undefined): string => (s === null || s === undefined ? "–" : isArray(s) ? `‖${num(s.norm)}‖` : num(s));

export const shape = (n: { shape: number[] }): string => (n.shape.length ? n.shape.join("×") : "scalar");

export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do n /= 1000; while (++i < 3 && n >= 999.5);
  return `${n < 10 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

export const count = (n: number | bigint): string => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

// what would turn text around, hide it or break the line is shown as a sign of its own
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** A user's text with control and direction characters made visible. */
export const visible = (text: string): string =>
  text.replace(HIDDEN, (c) => {
    const code = c.codePointAt(0)!;
    return `⟨${code.toString(16).padStart(4, "0")}⟩`;
  });

/** At most `limit` characters of a user's text, from both ends. */
export function cut(text: string, limit = 48): string {
  const all = [...visible(text.length > 4 * limit ? text.slice(0, 2 * limit) + "…" + text.slice(-2 * limit) : text)];
  if (all.length <= limit) return all.join("");
  const head = Math.ceil((limit - 1) * 0.6);
  return all.slice(0, head).join("") + "…" + all.slice(all.length - (limit - 1 - head)).join("");
}

const SYMBOLS: Record<string, string> = {
  add: "+", sub: "−", mul: "×", div: "÷", truediv: "÷", neg: "−", negative: "−", pow: "xⁿ", power: "xⁿ", square: "x²", cube: "x³", sqrt: "√",
  log: "ln", matmul: "@", affine: "Wx", linear: "Wx", sum: "Σ", sum_to: "Σ", prod: "Π", maximum: "max", minimum: "min", abs: "|x|", sigmoid: "σ",
  conv1d: "conv", conv2d: "conv", conv3d: "conv", conv_transpose2d: "convᵀ", softmax: "soft", log_softmax: "lsm", cross_entropy: "loss",
  batch_norm: "bn", layer_norm: "ln", reshape: "resh", transpose: "xᵀ", permute_dims: "xᵀ", getitem: "[ ]", concat: "cat", max_pool2d: "pool",
  avg_pool2d: "pool", dropout: "drop", where: "if", broadcast_to: "bc", astype: "cast", log1p: "ln1p",
};

/** The sign of an operation; its name's first letters if it has none. */
export const symbol = (op: string): string => SYMBOLS[op] ?? visible(op).slice(0, 4);

/** What a node is called: its variable's name, or its operation's. */
export const title = (n: Node): string => n.name || n.op || n.kind;

export const plural = (n: number | bigint, word: string): string => `${count(n)} ${word}${Number(n) === 1 ? "" : "s"}`;
