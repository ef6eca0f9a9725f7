// Every number on the page is the trace's: exact in data-value, and its text is that number rounded.

import assert from "node:assert/strict";
import { payload } from "./page.mjs";

const number = (text) => Number(text.replaceAll("\u2212", "-").replace("∞", "Infinity"));

/** Half a unit of the last digit that a text shows. */
function half(text) {
  const [, digits, power] = /^[\u2212-]?([\d.]+)(?:e(.+))?$/.exec(text);
  const decimals = digits.includes(".") ? digits.length - 1 - digits.indexOf(".") : 0;
  return 0.5 * 10 ** (number(power ?? "0") - decimals);
}

/** Holds all numbers that are now on the page against the trace; gives how many there are. */
export async function agree(page, current = 0) {
  const { traces } = await payload(page);
  const shown = await page.locator("[data-value]").evaluateAll((all) =>
    all.map((e) => ({ value: e.dataset.value, at: e.dataset.at, trace: e.dataset.trace, text: e.textContent.trim(), derived: !!e.closest(".paths") })));
  for (const { value, at, trace, text, derived } of shown) {
    const where = `${at}: "${text}" for ${value}`;
    if (at === "memory") continue; // bytes, in walk.test.mjs
    if (at === undefined) assert.ok(derived, `a number that is neither the trace's nor a product along a path: ${where}`);
    else {
      const found = at.split(".").reduce((x, key) => x?.[key], traces[trace ?? current]);
      assert.equal(typeof found === "number" ? Object.is(found, Number(value)) || found === Number(value) : found === value, true, `${where}, and the trace has ${found}`);
    }
    if (/\d/.test(text)) assert.ok(Math.abs(number(text) - Number(value)) <= half(text) * (1 + 1e-9), where);
    else assert.ok({ "∞": Infinity, "−∞": -Infinity }[text] === number(value) || text === "NaN", where);
  }
  return shown.length;
}
