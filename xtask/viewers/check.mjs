// Opens what tophash wrote in a browser, as a person would: the flame graph's page and drawing, and
// speedscope. Run by `cargo xtask viewers` in a folder with the files and the packages.
import assert from "node:assert";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const folder = process.cwd();
const { chromium } = createRequire(path.join(folder, "x.js"))("playwright-core");
const at = name => "file://" + path.join(folder, name);
const truth = JSON.parse(fs.readFileSync("truth.json"));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: ["--no-sandbox", "--allow-file-access-from-files"],
});

async function open(url) {
  const page = await browser.newPage({ viewport: { width: 1200, height: 700 } });
  const errors = [];
  page.on("pageerror", error => errors.push(String(error)));
  page.on("console", message => { if (message.type() === "error") errors.push(message.text()); });
  await page.goto(url);
  return { page, errors };
}

{
  const { page, errors } = await open(at("flame.html"));
  const told = () => page.textContent("#told");
  assert.match(await told(), /^all\n/);
  const whole = await told();
  // The rows are 19 pixels high: main.fill is in the sixth, behind all, main and what it calls.
  const box = await page.locator("#graph").boundingBox();
  const row = level => box.y + level * 19 + 9;
  await page.mouse.move(box.x + 300, row(5));
  assert.match(await told(), /^main\.fill\n/);
  await page.mouse.click(box.x + 300, row(5));
  assert.match(await told(), /100\.00% of main\.fill/);
  await page.screenshot({ path: "flame-zoomed.png" });
  await page.focus("#graph");
  await page.keyboard.press("Backspace");
  assert.match(await told(), /of main\.load/);
  await page.keyboard.press("Escape");
  await page.mouse.move(box.x + 300, box.y - 30);
  assert.equal(await told(), whole);
  await page.fill("#search", "fill|Sprint");
  const fill = truth.rows.find(row => row.function === "main.fill");
  assert.ok((await told()).includes(`found: ${(fill.cum / truth.total * 100).toFixed(2)}% of all`), await told());
  await page.screenshot({ path: "flame-found.png" });
  await page.fill("#search", "(");
  assert.match(await told(), /found: /);
  await page.click("#turn");
  await page.screenshot({ path: "flame-turned.png" });
  await page.click("#reset");
  assert.equal(await told(), whole);
  assert.deepEqual(errors, []);
}

for (const name of ["difference.html", "flame.svg", "difference.svg"]) {
  const { page, errors } = await open(at(name));
  await page.screenshot({ path: name + ".png" });
  if (name.endsWith(".svg")) {
    const titles = await page.locator("title").allTextContents();
    assert.ok(titles.some(title => title.startsWith("main.fill ")), titles.join());
  }
  assert.deepEqual(errors, [], name);
}

{
  const data = fs.readFileSync("speedscope.json").toString("base64");
  fs.writeFileSync("speedscope.js", `speedscope.loadFileFromBase64("speedscope.json", "${data}")`);
  const release = path.join(folder, "node_modules/speedscope/dist/release/index.html");
  const script = path.join(folder, "speedscope.js");
  const { page, errors } = await open(`file://${release}#localProfilePath=${script}`);
  await page.getByText("Export").waitFor();
  await page.screenshot({ path: "speedscope.png" });
  // What it read, written by itself.
  const download = page.waitForEvent("download");
  await page.getByText("Export").click();
  const exported = JSON.parse(fs.readFileSync(await (await download).path()));
  const read = exported.profiles.find(profile => profile.name === truth.sample_type);
  assert.equal(read.unit, truth.unit);
  assert.equal(read.endValue - read.startValue, truth.total);
  assert.equal(exported.profiles.length, 4);
  assert.deepEqual(errors, []);
}

await browser.close();
console.log("the browser shows what the profile holds");
