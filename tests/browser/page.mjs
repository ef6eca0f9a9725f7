// Opens a page of FOLDER (EXPLAIN_PAGES) in headless Chromium (CHROMIUM) as a double click would: from a file, with no network. What it
// prints to the console, throws or asks the network for fails the test that opened it. EXPLAIN_SHOTS: a folder for pictures.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../minigrad/explain/page/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const pages = resolve(process.env.EXPLAIN_PAGES ?? "build/explain");
const shots = process.env.EXPLAIN_SHOTS && resolve(process.env.EXPLAIN_SHOTS);
if (shots) mkdirSync(shots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
after(() => browser.close());

/** Opens a page, hands it to `use`, and asserts that it kept quiet. */
export async function open(name, use, { width = 1400, height = 900, scheme = "light", motion = "no-preference" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, hasTouch: width < 500 });
  const url = pathToFileURL(join(pages, `${name}.html`)).href;
  const wrongs = [];
  await context.route("**/*", (route) => {
    if (route.request().url() === url) return route.continue();
    wrongs.push(`asked for ${route.request().url().slice(0, 200)}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("console", (message) => wrongs.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrongs.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => { wrongs.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  try {
    await page.goto(url);
    await use(page);
    assert.deepEqual([...new Set(wrongs)].slice(0, 3), []);
  } finally {
    await context.close();
  }
}

export const payload = (page) => page.evaluate(() => JSON.parse(document.getElementById("trace").textContent));

export async function shoot(page, name) {
  await page.mouse.move(1, 1);
  await page.evaluate(() => Promise.all(document.getAnimations().map((a) => a.finished)));
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) });
}

/** axe-core finds no violation of what WCAG 2.2 AA asks, nor of its best practices. */
export async function accessible(page, what) {
  await page.evaluate(() => Promise.all(document.getAnimations().map((a) => a.finished)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const said = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.slice(0, 5).map((n) => `    ${n.html.slice(0, 200)}\n      ${n.failureSummary?.replaceAll("\n", " ")}`).join("\n")}`);
  assert.deepEqual(said, [], what);
}

/** Moves the walk to a place: k operations back, or −k before the end of the way forward. */
export const goTo = (page, step) => page.getByRole("slider", { name: "Place in the walk" }).fill(String(step));

/** A row of the ledger by the name or operation that begins it. */
export const row = (page, name) => page.locator(".row", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) }).first();
