// The keyboard alone, screen readers, dark and light, a phone, hostile names, and pages that are large.

import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, goTo, open, payload, row, shoot } from "./page.mjs";

const focused = (page) => page.evaluate(() => document.activeElement?.className ?? "");

test("search, fold and unfold", () => open("resnet20", async (page) => {
  const rows = async () => Number(await page.locator("[role=treegrid]").getAttribute("aria-rowcount"));
  await shoot(page, "resnet20");
  await page.getByRole("button", { name: "fold all", exact: true }).click();
  const folded = await rows();
  await shoot(page, "resnet20-folded");
  await page.getByRole("button", { name: "unfold all" }).click();
  assert.ok(await rows() > 3 * folded);
  await page.getByRole("button", { name: "fold all", exact: true }).click();
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("stage2.0 conv2d");
  await page.keyboard.press("Enter");
  assert.match(await page.locator("#inspector h2").innerText(), /conv2d/);
  assert.ok(await rows() > folded, "what hides the match is unfolded");
  await shoot(page, "resnet20-search");
}));

test("a block that was not executed is a ghost that says so", () => open("resnet20", async (page) => {
  const { traces: [{ skipped }] } = await payload(page);
  await page.getByRole("button", { name: "unfold all" }).click();
  const ghost = page.locator(".row.ghost").first();
  for (let i = 0; i < 200 && !(await ghost.count()); i++) await page.locator(".ledger").evaluate((e) => (e.scrollTop += 400));
  await ghost.scrollIntoViewIfNeeded();
  assert.match(await ghost.innerText(), new RegExp(skipped[0].text.replace(".", "\\.")));
  await shoot(page, "resnet20-dropped-block");
}));

test("a page in a notebook runs within its frame", () => open("notebook", async (page) => {
  const frame = page.frameLocator("iframe");
  await frame.locator(".row").first().waitFor();
  await frame.getByRole("button", { name: /^First|^first/ }).first().click();
  await shoot(page, "notebook");
}, { height: 1500 }));

test("the keyboard alone is enough", () => open("lenet", async (page) => {
  for (let i = 0; i < 40 && !/\brow\b/.test(await focused(page)); i++) await page.keyboard.press("Tab");
  assert.match(await focused(page), /\brow\b/, "Tab reaches the ledger");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const name = await page.locator("#inspector h2").innerText();
  await page.keyboard.press("ArrowRight"); // to its user
  assert.notEqual(await page.locator("#inspector h2").innerText(), name);
  await page.keyboard.press("Enter"); // into the inspector
  await page.waitForFunction(() => document.activeElement.id === "inspector");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => !!document.activeElement.closest("#inspector")), true);
  await page.keyboard.press("Shift+End");
  await page.keyboard.press("Shift+ArrowLeft");
  assert.match(await page.locator("[aria-live]").innerText(), /^Step 16 of 17 back/);
  await page.keyboard.press("Escape");
  assert.match(await focused(page), /\brow\b/);
  let badge = "";
  for (let i = 0; i < 80 && !/\bverdict\b/.test(badge); i++) {
    await page.keyboard.press("Shift+Tab");
    badge = await focused(page);
  }
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  assert.match(await focused(page), /\bverdict\b/, "the focus goes back to what opened the dialog");
}));

for (const scheme of ["light", "dark"])
  for (const [name, step] of [["scalar", 3], ["wrong", 2], ["mlp_hvp", 4], ["lenet", 6], ["resnet20", 20], ["train_eval", null], ["hostile", 2]])
    test(`${name}: axe finds nothing, ${scheme}`, () => open(name, async (page) => {
      if (step !== null) await goTo(page, step);
      await accessible(page, name);
      await shoot(page, `${name}-${scheme}`);
      const badge = page.locator("header .verdict");
      if (await badge.count()) {
        await badge.click();
        await accessible(page, `${name}, gradient check`);
        await page.getByRole("dialog").locator(".badge").first().click();
        await accessible(page, `${name}, one parameter's check`);
        await shoot(page, `${name}-check-${scheme}`);
      }
    }, { scheme, motion: "reduce" }));

for (const scheme of ["light", "dark"])
  test(`a phone, ${scheme}`, () => open("lenet", async (page) => {
    await goTo(page, 6);
    for (const tab of ["Ledger", "Inspector", "Modules", "Source"]) {
      await page.locator(".tabs").getByRole("button", { name: tab }).click();
      await accessible(page, tab);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${tab}: nothing sticks out`);
      await shoot(page, `phone-${tab.toLowerCase()}-${scheme}`);
    }
  }, { width: 360, height: 740, scheme }));

test("hostile names are text", () => open("hostile", async (page) => {
  const title = await page.title();
  assert.ok(!/owned/.test(title) || title.includes("<"), "no name ran as a script");
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.locator("script").count(), 2);
  const { traces: [trace] } = await payload(page);
  assert.ok(trace.nodes.some((n) => n.name.length === 10000));
  const text = await page.locator("body").innerText();
  assert.match(text, /<img src=x/);
  assert.doesNotMatch(text, /[\u202a-\u202e\u2066-\u2069\u0000\u001b\u007f]/, "control and direction characters are made visible");
  for (const [i, r] of (await page.locator(".row").all()).entries()) {
    await r.click();
    assert.doesNotMatch(await page.locator("#inspector").innerText(), /[\u202a-\u202e\u2066-\u2069\u0000\u001b\u007f]/, `row ${i}`);
    assert.equal(await page.evaluate(() => document.querySelector("#inspector").scrollWidth <= document.querySelector("#inspector").clientWidth), true, `row ${i} fits`);
  }
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 1400);
}));

for (const name of ["flat", "deep"])
  test(`${name}: 10,000 operations`, () => open(name, async (page) => {
    await page.reload(); // the first one also loads the browser
    const opened = await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd);
    const unfold = page.getByRole("button", { name: "unfold all" });
    if (await unfold.count()) await unfold.click();
    const frames = await page.evaluate(async () => {
      const box = document.querySelector(".ledger");
      const next = () => new Promise((done) => requestAnimationFrame(done));
      const times = [];
      let last = await next();
      for (let i = 0; i < 180; i++) {
        box.scrollTop += 313;
        const now = await next();
        times.push(now - last);
        last = now;
      }
      return times.sort((a, b) => a - b);
    });
    const [median, p99, longest] = [0.5, 0.99, 1].map((q) => frames[Math.min(frames.length - 1, Math.floor(q * frames.length))].toFixed(0));
    await goTo(page, 100);
    const step = await page.evaluate(async () => {
      const t = performance.now();
      document.querySelector("[aria-label='Step forward']").click();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - t;
    });
    console.log(`${name}: opened in ${opened.toFixed(0)} ms; frames while scrolling: median ${median} ms, 99 % ${p99} ms, longest ${longest} ms; a step ${step.toFixed(0)} ms`);
    assert.ok(await page.locator(".row").count() < 200, "only the rows in view are in the document");
    assert.ok(opened < 10_000 && Number(median) < 100, "far from what is asked for: 1 s, 17 ms");
  }));
